terraform {
  required_version = ">= 1.8"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
      # Certificates and firewalls of CloudFront exist in us-east-1 only.
      configuration_aliases = [aws.us_east_1]
    }
  }
}
