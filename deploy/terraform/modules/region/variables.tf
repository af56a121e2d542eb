variable "name" {
  description = "Name of everything in this region, such as weir-production."
  type        = string
}

variable "region" {
  description = "Region of AWS."
  type        = string
}

variable "cidr" {
  description = "Private addresses. Different in each region, so that they can be connected."
  type        = string
}

variable "zone_count" {
  description = "How many zones are used."
  type        = number
  default     = 3
}

variable "nat_per_zone" {
  description = "A NAT gateway in each zone, instead of one for all."
  type        = bool
  default     = true
}

variable "api_allowed_cidrs" {
  description = "Networks that reach the API of Kubernetes over the internet."
  type        = list(string)
  default     = []
}

variable "general_instance_types" {
  description = "Machines of gateways."
  type        = list(string)
}

variable "general_size" {
  description = "Fewest and most machines of gateways."
  type        = object({ min = number, max = number })
}

variable "gpu_instance_types" {
  description = "Machines of engines."
  type        = list(string)
  default     = ["g6.2xlarge"]
}

variable "gpu_type" {
  description = "Label gpu-type of these machines."
  type        = string
  default     = "l4"
}

variable "gpu_size" {
  description = "Fewest and most machines of engines."
  type        = object({ min = number, max = number })
  default     = { min = 0, max = 0 }
}

variable "gpu_spot_percent" {
  description = "Share of the most machines of engines that are spot machines."
  type        = number
  default     = 60
}

variable "more_secrets" {
  description = "More variables of the gateway: what regions have in common, such as WEIR_SECRET."
  type        = map(string)
  sensitive   = true
  default     = {}
}

variable "protected" {
  description = "Whether deletion of stores needs a second step."
  type        = bool
  default     = true
}

variable "database" {
  description = "PostgreSQL."
  type = object({
    instance_class = string
    storage_gb     = number
    multi_az       = bool
    backup_days    = number
  })
}

variable "redis" {
  description = "Redis (Valkey)."
  type = object({
    node_type     = string
    nodes         = number
    snapshot_days = number
  })
}
