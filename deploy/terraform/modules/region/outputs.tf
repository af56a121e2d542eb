output "cluster_name" {
  description = "For aws eks update-kubeconfig."
  value       = module.cluster.name
}

output "bucket" {
  description = "Bucket of backups and archives."
  value       = module.stores.bucket
}

output "database_url" {
  description = "PostgreSQL of this region with its password."
  sensitive   = true
  value       = module.stores.database_url
}

output "peer" {
  description = "What the module peering needs of this region."
  value = {
    region            = var.region
    vpc_id            = module.network.vpc_id
    cidr              = module.network.cidr
    route_table_ids   = module.network.private_route_table_ids
    security_group_id = module.stores.security_group_id
  }
}

output "kustomize_env" {
  description = "Region, secret and bucket, for the overlay of deploy/kubernetes."
  value = join("\n", [
    "AWS_REGION=${var.region}",
    "WEIR_REGION=${var.region}",
    "SECRET_NAME=${module.stores.secret_name}",
    "BACKUP_BUCKET=${module.stores.bucket}",
    "",
  ])
}
