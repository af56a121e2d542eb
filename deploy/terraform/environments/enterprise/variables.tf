variable "api_allowed_cidrs" {
  description = "Networks that reach the APIs of Kubernetes over the internet; none for private access only."
  type        = list(string)
  default     = []
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

variable "load_balancers" {
  description = "By region of AWS: the name of the load balancer that the cluster made. Empty at the first apply."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(var.load_balancers) == 0 || contains(keys(var.load_balancers), "eu-central-1")
    error_message = "The console is served from eu-central-1, so its load balancer is needed."
  }
}
