variable "region" {
  description = "Region of AWS."
  type        = string
  default     = "eu-central-1"
}

variable "api_allowed_cidrs" {
  description = "Networks that reach the API of Kubernetes over the internet; none for private access only."
  type        = list(string)
  default     = []
}
