variable "name" {
  description = "Name of the peering, such as weir-enterprise-eu-us."
  type        = string
}

variable "first" {
  description = "Output peer of a region."
  type = object({
    region            = string
    vpc_id            = string
    cidr              = string
    route_table_ids   = list(string)
    security_group_id = string
  })
}

variable "second" {
  description = "Output peer of another region, with other addresses."
  type = object({
    region            = string
    vpc_id            = string
    cidr              = string
    route_table_ids   = list(string)
    security_group_id = string
  })

  validation {
    condition     = var.second.cidr != var.first.cidr
    error_message = "Peered networks need different addresses."
  }
}
