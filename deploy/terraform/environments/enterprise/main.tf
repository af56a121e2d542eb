# Three regions, 3,000 to 5,000 US dollars a month without GPUs: each has its own cluster and stores, so that tenants can be
# bound to one. They share one control database and one secret (docs/multi-region.md). Latency routing sends clients to the
# nearest healthy region.

terraform {
  required_version = ">= 1.8"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
  }

  # Keep the state, which contains passwords, in a bucket of your own:
  # tofu init -backend-config=bucket=... -backend-config=key=weir/enterprise -backend-config=region=...
  backend "s3" {
    encrypt = true
  }
}

locals {
  tags = { project = "weir", environment = "enterprise" }
  size = {
    general_instance_types = ["m7i.xlarge"]
    general_size           = { min = 3, max = 10 }
    gpu_instance_types     = ["g6.12xlarge"]
    gpu_size               = { min = 2, max = 16 }
    database               = { instance_class = "db.m7g.2xlarge", storage_gb = 500, multi_az = true, backup_days = 35 }
    redis                  = { node_type = "cache.m7g.xlarge", nodes = 3, snapshot_days = 7 }
  }
}

# Gateways of all regions recognise the same keys, and what they forward to each other.
resource "random_password" "gateway" {
  for_each = toset(["admin_key", "secret"])

  length  = 64
  special = false
}

locals {
  # The control database is the one of eu-central-1; the others have tenants of their regions.
  common_secrets = {
    WEIR_ADMIN_KEY              = random_password.gateway["admin_key"].result
    WEIR_SECRET                 = random_password.gateway["secret"].result
    DATABASE_URL                = module.eu_central_1.database_url
    DATABASE_URL_US_EAST_1      = module.us_east_1.database_url
    DATABASE_URL_AP_SOUTHEAST_1 = module.ap_southeast_1.database_url
  }
}

provider "aws" {
  alias  = "eu_central_1"
  region = "eu-central-1"

  default_tags {
    tags = local.tags
  }
}

provider "aws" {
  alias  = "us_east_1"
  region = "us-east-1"

  default_tags {
    tags = local.tags
  }
}

provider "aws" {
  alias  = "ap_southeast_1"
  region = "ap-southeast-1"

  default_tags {
    tags = local.tags
  }
}

module "eu_central_1" {
  source    = "../../modules/region"
  providers = { aws = aws.eu_central_1 }

  name                   = "weir-enterprise-eu"
  region                 = "eu-central-1"
  cidr                   = "10.44.0.0/16"
  api_allowed_cidrs      = var.api_allowed_cidrs
  general_instance_types = local.size.general_instance_types
  general_size           = local.size.general_size
  gpu_instance_types     = local.size.gpu_instance_types
  gpu_size               = local.size.gpu_size
  database               = local.size.database
  redis                  = local.size.redis
  more_secrets           = local.common_secrets
}

module "us_east_1" {
  source    = "../../modules/region"
  providers = { aws = aws.us_east_1 }

  name                   = "weir-enterprise-us"
  region                 = "us-east-1"
  cidr                   = "10.45.0.0/16"
  api_allowed_cidrs      = var.api_allowed_cidrs
  general_instance_types = local.size.general_instance_types
  general_size           = local.size.general_size
  gpu_instance_types     = local.size.gpu_instance_types
  gpu_size               = local.size.gpu_size
  database               = local.size.database
  redis                  = local.size.redis
  more_secrets           = local.common_secrets
}

module "ap_southeast_1" {
  source    = "../../modules/region"
  providers = { aws = aws.ap_southeast_1 }

  name                   = "weir-enterprise-ap"
  region                 = "ap-southeast-1"
  cidr                   = "10.46.0.0/16"
  api_allowed_cidrs      = var.api_allowed_cidrs
  general_instance_types = local.size.general_instance_types
  general_size           = local.size.general_size
  gpu_instance_types     = local.size.gpu_instance_types
  gpu_size               = local.size.gpu_size
  database               = local.size.database
  redis                  = local.size.redis
  more_secrets           = local.common_secrets
}

module "peering_eu_us" {
  source = "../../modules/peering"
  providers = {
    aws.first  = aws.eu_central_1
    aws.second = aws.us_east_1
  }

  name   = "weir-enterprise-eu-us"
  first  = module.eu_central_1.peer
  second = module.us_east_1.peer
}

module "peering_eu_ap" {
  source = "../../modules/peering"
  providers = {
    aws.first  = aws.eu_central_1
    aws.second = aws.ap_southeast_1
  }

  name   = "weir-enterprise-eu-ap"
  first  = module.eu_central_1.peer
  second = module.ap_southeast_1.peer
}

module "peering_us_ap" {
  source = "../../modules/peering"
  providers = {
    aws.first  = aws.us_east_1
    aws.second = aws.ap_southeast_1
  }

  name   = "weir-enterprise-us-ap"
  first  = module.us_east_1.peer
  second = module.ap_southeast_1.peer
}

# Set the names of load balancers once the clusters have made them; until then there is no edge.
module "edge" {
  source = "../../modules/edge"
  count  = length(var.load_balancers) > 0 ? 1 : 0
  providers = {
    aws           = aws.eu_central_1
    aws.us_east_1 = aws.us_east_1
  }

  name           = "weir-enterprise"
  zone_id        = var.zone_id
  api_domain     = var.api_domain
  console_domain = var.console_domain
  primary_region = "eu-central-1"
  regions        = { for region, domain in var.load_balancers : region => { load_balancer_domain = domain } }
}

output "cluster_names" {
  description = "By region, for aws eks update-kubeconfig --name."
  value = {
    eu-central-1   = module.eu_central_1.cluster_name
    us-east-1      = module.us_east_1.cluster_name
    ap-southeast-1 = module.ap_southeast_1.cluster_name
  }
}

output "kustomize_env" {
  description = "By region: tofu output -json kustomize_env | jq -r '.\"eu-central-1\"'"
  value = {
    eu-central-1   = module.eu_central_1.kustomize_env
    us-east-1      = module.us_east_1.kustomize_env
    ap-southeast-1 = module.ap_southeast_1.kustomize_env
  }
}
