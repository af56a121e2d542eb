variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "kubernetes_version" {
  description = "Version of Kubernetes."
  type        = string
  default     = "1.33"
}

variable "private_subnet_ids" {
  description = "Subnets of the nodes."
  type        = list(string)
}

variable "kms_key_arn" {
  description = "Key that encrypts secrets of Kubernetes and logs."
  type        = string
}

variable "api_allowed_cidrs" {
  description = "Networks that reach the API of Kubernetes over the internet; none for private access only."
  type        = list(string)
  default     = []

  validation {
    condition     = !contains(var.api_allowed_cidrs, "0.0.0.0/0")
    error_message = "Name your networks, not the whole internet."
  }
}

variable "general_instance_types" {
  description = "Machines of gateways."
  type        = list(string)
  default     = ["m7i.large"]
}

variable "general_size" {
  description = "Fewest and most machines of gateways."
  type        = object({ min = number, max = number })
  default     = { min = 2, max = 6 }
}

variable "gpu_instance_types" {
  description = "Machines of engines, all with the same GPU."
  type        = list(string)
  default     = ["g6.2xlarge"]
}

variable "gpu_type" {
  description = "Label gpu-type of these machines."
  type        = string
  default     = "l4"
}

variable "gpu_size" {
  description = "Fewest and most machines of engines. { min = 0, max = 0 } for none."
  type        = object({ min = number, max = number })
  default     = { min = 0, max = 0 }
}

variable "gpu_spot_percent" {
  description = "Share of the most machines of engines that are spot machines."
  type        = number
  default     = 60

  validation {
    condition     = var.gpu_spot_percent >= 0 && var.gpu_spot_percent <= 100
    error_message = "A percentage from 0 to 100."
  }
}
