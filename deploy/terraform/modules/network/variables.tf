variable "name" {
  description = "Name of everything, such as weir-production."
  type        = string
}

variable "region" {
  description = "Region of AWS."
  type        = string
}

variable "cidr" {
  description = "Private addresses of the VPC. A /16 has room for three zones."
  type        = string
  default     = "10.40.0.0/16"

  validation {
    condition     = can(cidrsubnet(var.cidr, 6, 63))
    error_message = "The range must be a /20 or larger, such as 10.40.0.0/16."
  }
}

variable "zone_count" {
  description = "How many zones are used."
  type        = number
  default     = 3

  validation {
    condition     = var.zone_count >= 2 && var.zone_count <= 3
    error_message = "Two or three zones: EKS and RDS need two."
  }
}

variable "nat_per_zone" {
  description = "A NAT gateway in each zone, instead of one for all."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "Key that encrypts logs."
  type        = string
}
