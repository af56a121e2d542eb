# Development: one NAT gateway, the smallest stores, nothing protected.

terraform {
  required_version = ">= 1.8"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }

  # Keep the state, which contains passwords, in a bucket of your own:
  # tofu init -backend-config=bucket=... -backend-config=key=weir/dev -backend-config=region=...
  backend "s3" {
    encrypt = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { project = "weir", environment = "dev" }
  }
}

module "region" {
  source = "../../modules/region"

  name              = "weir-dev"
  region            = var.region
  cidr              = "10.40.0.0/16"
  zone_count        = 2
  nat_per_zone      = false
  api_allowed_cidrs = var.api_allowed_cidrs
  protected         = false

  general_instance_types = ["t3.large"]
  general_size           = { min = 1, max = 3 }
  gpu_size               = { min = 0, max = 1 }

  database = {
    instance_class = "db.t4g.small"
    storage_gb     = 20
    multi_az       = false
    backup_days    = 1
  }
  redis = {
    node_type     = "cache.t4g.small"
    nodes         = 1
    snapshot_days = 0
  }
}

output "cluster_name" {
  description = "For aws eks update-kubeconfig --name."
  value       = module.region.cluster_name
}

output "bucket" {
  description = "Bucket of backups and archives."
  value       = module.region.bucket
}

output "kustomize_env" {
  description = "Region, secret and bucket, for the overlay of deploy/kubernetes."
  value       = module.region.kustomize_env
}
