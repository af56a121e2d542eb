output "bucket" {
  description = "Bucket of backups and archives."
  value       = aws_s3_bucket.data.bucket
}

output "secret_name" {
  description = "Secret with the gateway's environment, for the ExternalSecret."
  value       = aws_secretsmanager_secret.gateway.name
}

output "database_url" {
  description = "PostgreSQL with its password, for gateways of other regions."
  sensitive   = true
  value       = local.database_url
}

output "security_group_id" {
  description = "Group of the stores, for peering."
  value       = aws_security_group.stores.id
}

output "database_endpoint" {
  description = "Host and port of PostgreSQL."
  value       = aws_db_instance.this.endpoint
}
