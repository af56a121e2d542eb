output "name" {
  description = "Name of the cluster, for aws eks update-kubeconfig."
  value       = aws_eks_cluster.this.name
}

output "security_group_id" {
  description = "Security group of nodes and pods."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "gateway_role_name" {
  description = "Role of the gateway's pods."
  value       = aws_iam_role.gateway.name
}

output "gateway_role_arn" {
  description = "The same role, for policies of keys and buckets."
  value       = aws_iam_role.gateway.arn
}
