# Gateways of two regions reach the PostgreSQL servers of each other: the control database, and those of tenants that fail over.

resource "aws_vpc_peering_connection" "this" {
  provider = aws.first

  vpc_id      = var.first.vpc_id
  peer_vpc_id = var.second.vpc_id
  peer_region = var.second.region
  auto_accept = false
  tags        = { Name = var.name }
}

resource "aws_vpc_peering_connection_accepter" "this" {
  provider = aws.second

  vpc_peering_connection_id = aws_vpc_peering_connection.this.id
  auto_accept               = true
  tags                      = { Name = var.name }
}

resource "aws_route" "first" {
  provider = aws.first
  count    = length(var.first.route_table_ids)

  route_table_id            = var.first.route_table_ids[count.index]
  destination_cidr_block    = var.second.cidr
  vpc_peering_connection_id = aws_vpc_peering_connection_accepter.this.id
}

resource "aws_route" "second" {
  provider = aws.second
  count    = length(var.second.route_table_ids)

  route_table_id            = var.second.route_table_ids[count.index]
  destination_cidr_block    = var.first.cidr
  vpc_peering_connection_id = aws_vpc_peering_connection_accepter.this.id
}

resource "aws_vpc_security_group_ingress_rule" "first" {
  provider = aws.first

  security_group_id = var.first.security_group_id
  cidr_ipv4         = var.second.cidr
  description       = "PostgreSQL for gateways of ${var.second.region}"
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432
}

resource "aws_vpc_security_group_ingress_rule" "second" {
  provider = aws.second

  security_group_id = var.second.security_group_id
  cidr_ipv4         = var.first.cidr
  description       = "PostgreSQL for gateways of ${var.first.region}"
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432
}
