output "api_url" {
  description = "Base URL of clients."
  value       = "https://${var.api_domain}/v1"
}

output "console_url" {
  description = "The console."
  value       = "https://${var.console_domain}/console"
}
