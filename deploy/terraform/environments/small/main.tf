# Small, 120 to 250 US dollars a month beside EKS and NAT: two gateways, small stores with backups.

terraform {
  required_version = ">= 1.8"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }

  # Keep the state, which contains passwords, in a bucket of your own:
  # tofu init -backend-config=bucket=... -backend-config=key=weir/small -backend-config=region=...
  backend "s3" {
    encrypt = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { project = "weir", environment = "small" }
  }
}

module "region" {
  source = "../../modules/region"

  name              = "weir-small"
  region            = var.region
  cidr              = "10.41.0.0/16"
  zone_count        = 2
  nat_per_zone      = false
  api_allowed_cidrs = var.api_allowed_cidrs
  protected         = true

  general_instance_types = ["t3.large"]
  general_size           = { min = 2, max = 4 }
  gpu_size               = { min = 0, max = 2 }

  database = {
    instance_class = "db.t4g.medium"
    storage_gb     = 50
    multi_az       = false
    backup_days    = 7
  }
  redis = {
    node_type     = "cache.t4g.small"
    nodes         = 2
    snapshot_days = 1
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
