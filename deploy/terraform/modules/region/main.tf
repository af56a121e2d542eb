# Everything of one region: a key, a network, a cluster, stores.

data "aws_caller_identity" "current" {}

resource "aws_kms_key" "this" {
  description             = "Data of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Account"
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.current.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "Logs"
        Effect    = "Allow"
        Principal = { Service = "logs.${var.region}.amazonaws.com" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"]
        Resource  = "*"
      },
    ]
  })
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.id
}

module "network" {
  source = "../network"

  name         = var.name
  region       = var.region
  cidr         = var.cidr
  zone_count   = var.zone_count
  nat_per_zone = var.nat_per_zone
  kms_key_arn  = aws_kms_key.this.arn
}

module "cluster" {
  source = "../cluster"

  name                   = var.name
  private_subnet_ids     = module.network.private_subnet_ids
  kms_key_arn            = aws_kms_key.this.arn
  api_allowed_cidrs      = var.api_allowed_cidrs
  general_instance_types = var.general_instance_types
  general_size           = var.general_size
  gpu_instance_types     = var.gpu_instance_types
  gpu_type               = var.gpu_type
  gpu_size               = var.gpu_size
  gpu_spot_percent       = var.gpu_spot_percent
}

module "stores" {
  source = "../stores"

  name                     = var.name
  account_id               = data.aws_caller_identity.current.account_id
  vpc_id                   = module.network.vpc_id
  private_subnet_ids       = module.network.private_subnet_ids
  client_security_group_id = module.cluster.security_group_id
  gateway_role_name        = module.cluster.gateway_role_name
  kms_key_arn              = aws_kms_key.this.arn
  protected                = var.protected
  more_secrets             = var.more_secrets
  database                 = var.database
  redis                    = var.redis
}
