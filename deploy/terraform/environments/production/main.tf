# Production in three zones, 600 to 1,200 US dollars a month without GPUs.

terraform {
  required_version = ">= 1.8"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }

  # Keep the state, which contains passwords, in a bucket of your own:
  # tofu init -backend-config=bucket=... -backend-config=key=weir/production -backend-config=region=...
  backend "s3" {
    encrypt = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { project = "weir", environment = "production" }
  }
}

module "region" {
  source = "../../modules/region"

  name              = "weir-production"
  region            = var.region
  cidr              = "10.42.0.0/16"
  zone_count        = 3
  nat_per_zone      = true
  api_allowed_cidrs = var.api_allowed_cidrs
  protected         = true

  general_instance_types = ["m7i.large"]
  general_size           = { min = 2, max = 10 }
  gpu_size               = { min = 2, max = 8 }

  database = {
    instance_class = "db.m7g.large"
    storage_gb     = 200
    multi_az       = true
    backup_days    = 14
  }
  redis = {
    node_type     = "cache.m7g.large"
    nodes         = 2
    snapshot_days = 3
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
