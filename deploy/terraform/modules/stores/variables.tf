variable "name" {
  description = "Name of the stores."
  type        = string
}

variable "account_id" {
  description = "Account of AWS, part of the bucket's name."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "private_subnet_ids" {
  description = "Subnets of the stores."
  type        = list(string)
}

variable "client_security_group_id" {
  description = "Security group that may connect."
  type        = string
}

variable "gateway_role_name" {
  description = "Role of the gateway's pods, which gets access to the bucket, the secret and models."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that encrypts everything here."
  type        = string
}

variable "more_secrets" {
  description = "More variables of the gateway, and others in place of those above: what regions have in common."
  type        = map(string)
  sensitive   = true
  default     = {}
}

variable "protected" {
  description = "Whether deletion needs a second step, and leaves a snapshot."
  type        = bool
  default     = true
}

variable "backup_days" {
  description = "How long backups of Weir are kept."
  type        = number
  default     = 35
}

variable "database" {
  description = "PostgreSQL."
  type = object({
    instance_class = string
    storage_gb     = number
    multi_az       = bool
    backup_days    = number
  })
  default = { instance_class = "db.m7g.large", storage_gb = 100, multi_az = true, backup_days = 14 }
}

variable "redis" {
  description = "Redis (Valkey)."
  type = object({
    node_type     = string
    nodes         = number
    snapshot_days = number
  })
  default = { node_type = "cache.m7g.large", nodes = 2, snapshot_days = 3 }
}

variable "bedrock_model_arns" {
  description = "Models of Bedrock that the gateway may call."
  type        = list(string)
  default     = ["arn:aws:bedrock:*::foundation-model/*"]
}
