output "cluster_name" {
  description = "For aws eks update-kubeconfig."
  value       = module.cluster.name
}

output "bucket" {
  description = "Bucket of backups and archives."
  value       = module.stores.bucket
}

output "kustomize_env" {
  description = "Region, secret and bucket, for the overlay of deploy/kubernetes."
  value = join("\n", [
    "AWS_REGION=${var.region}",
    "SECRET_NAME=${module.stores.secret_name}",
    "BACKUP_BUCKET=${module.stores.bucket}",
    "",
  ])
}
