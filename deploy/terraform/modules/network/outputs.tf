output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "Its addresses."
  value       = aws_vpc.this.cidr_block
}

output "private_subnet_ids" {
  description = "Subnets of nodes and stores."
  value       = aws_subnet.private[*].id
}

output "private_route_table_ids" {
  description = "Route tables of the private subnets, for peering."
  value       = aws_route_table.private[*].id
}

output "public_subnet_ids" {
  description = "Subnets of load balancers."
  value       = aws_subnet.public[*].id
}
