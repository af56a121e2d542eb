# Names, certificates, and a CDN with a firewall for the console and the documentation. Inference goes to the region
# directly: a CDN would only add a hop to streams.

resource "aws_acm_certificate" "cdn" {
  provider = aws.us_east_1

  domain_name       = var.console_domain
  validation_method = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "validation" {
  for_each = {
    for option in aws_acm_certificate.cdn.domain_validation_options : option.domain_name => option
  }

  zone_id = var.zone_id
  name    = each.value.resource_record_name
  type    = each.value.resource_record_type
  records = [each.value.resource_record_value]
  ttl     = 300
}

resource "aws_acm_certificate_validation" "cdn" {
  provider = aws.us_east_1

  certificate_arn         = aws_acm_certificate.cdn.arn
  validation_record_fqdns = [for record in aws_route53_record.validation : record.fqdn]
}

# Clients reach the nearest healthy region by one name.
resource "aws_route53_health_check" "region" {
  for_each = var.regions

  type              = "HTTPS"
  fqdn              = each.value.load_balancer_domain
  port              = 443
  resource_path     = "/health/ready"
  request_interval  = 10
  failure_threshold = 3
  measure_latency   = true
  tags              = { Name = "${var.name}-${each.key}" }
}

resource "aws_route53_record" "api" {
  for_each = var.regions

  zone_id         = var.zone_id
  name            = var.api_domain
  type            = "CNAME"
  ttl             = 60
  set_identifier  = each.key
  health_check_id = aws_route53_health_check.region[each.key].id
  records         = [each.value.load_balancer_domain]

  latency_routing_policy {
    region = each.key
  }
}

# A name for each region, for tenants that are bound to one.
resource "aws_route53_record" "region" {
  for_each = var.regions

  zone_id = var.zone_id
  name    = "${each.key}.${var.api_domain}"
  type    = "CNAME"
  ttl     = 60
  records = [each.value.load_balancer_domain]
}

resource "aws_wafv2_web_acl" "cdn" {
  provider = aws.us_east_1

  name  = "${var.name}-console"
  scope = "CLOUDFRONT"

  default_action {
    allow {}
  }

  rule {
    name     = "rate"
    priority = 1
    action {
      block {}
    }
    statement {
      rate_based_statement {
        limit              = 2000
        aggregate_key_type = "IP"
      }
    }
    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "${var.name}-rate"
      sampled_requests_enabled   = true
    }
  }

  # No rules on bodies: configurations and prompts look like attacks.
  dynamic "rule" {
    for_each = { AWSManagedRulesAmazonIpReputationList = 2, AWSManagedRulesKnownBadInputsRuleSet = 3 }

    content {
      name     = rule.key
      priority = rule.value
      override_action {
        none {}
      }
      statement {
        managed_rule_group_statement {
          name        = rule.key
          vendor_name = "AWS"
        }
      }
      visibility_config {
        cloudwatch_metrics_enabled = true
        metric_name                = "${var.name}-${rule.key}"
        sampled_requests_enabled   = true
      }
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = "${var.name}-console"
    sampled_requests_enabled   = true
  }
}

data "aws_cloudfront_cache_policy" "disabled" {
  name = "Managed-CachingDisabled"
}

data "aws_cloudfront_cache_policy" "by_origin" {
  name = "UseOriginCacheControlHeaders"
}

data "aws_cloudfront_origin_request_policy" "viewer" {
  name = "Managed-AllViewerExceptHostHeader"
}

resource "aws_cloudfront_distribution" "console" {
  enabled         = true
  is_ipv6_enabled = true
  comment         = "Console and documentation of ${var.name}"
  aliases         = [var.console_domain]
  price_class     = "PriceClass_100"
  http_version    = "http2and3"
  web_acl_id      = aws_wafv2_web_acl.cdn.arn

  origin {
    origin_id   = "gateway"
    domain_name = var.regions[var.primary_region].load_balancer_domain
    custom_origin_config {
      http_port                = 80
      https_port               = 443
      origin_protocol_policy   = "https-only"
      origin_ssl_protocols     = ["TLSv1.2"]
      origin_read_timeout      = 60
      origin_keepalive_timeout = 60
    }
  }

  # Sign-in, the admin API and pages: never kept.
  default_cache_behavior {
    target_origin_id         = "gateway"
    viewer_protocol_policy   = "redirect-to-https"
    allowed_methods          = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
    cached_methods           = ["GET", "HEAD"]
    cache_policy_id          = data.aws_cloudfront_cache_policy.disabled.id
    origin_request_policy_id = data.aws_cloudfront_origin_request_policy.viewer.id
    compress                 = false
  }

  # Files whose names contain a hash: kept for as long as the gateway says.
  ordered_cache_behavior {
    path_pattern           = "/console/assets/*"
    target_origin_id       = "gateway"
    viewer_protocol_policy = "redirect-to-https"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    cache_policy_id        = data.aws_cloudfront_cache_policy.by_origin.id
    compress               = true
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    acm_certificate_arn      = aws_acm_certificate_validation.cdn.certificate_arn
    minimum_protocol_version = "TLSv1.2_2021"
    ssl_support_method       = "sni-only"
  }
}

resource "aws_route53_record" "console" {
  for_each = toset(["A", "AAAA"])

  zone_id = var.zone_id
  name    = var.console_domain
  type    = each.key

  alias {
    name                   = aws_cloudfront_distribution.console.domain_name
    zone_id                = aws_cloudfront_distribution.console.hosted_zone_id
    evaluate_target_health = false
  }
}
