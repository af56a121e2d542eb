variable "name" {
  description = "Name of everything here."
  type        = string
}

variable "zone_id" {
  description = "Hosted zone of Route 53."
  type        = string
}

variable "api_domain" {
  description = "Name that clients use, such as ai.example.com."
  type        = string
}

variable "console_domain" {
  description = "Name of the console, such as console.ai.example.com."
  type        = string
}

variable "primary_region" {
  description = "Region that serves the console."
  type        = string
}

variable "regions" {
  description = "By region of AWS: the name of the load balancer that the cluster made."
  type        = map(object({ load_balancer_domain = string }))

  validation {
    condition     = length(var.regions) > 0
    error_message = "Name at least one region."
  }
}
