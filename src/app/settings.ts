import type { Config } from '../config/schema.ts';
import { RecentMap } from '../core/recent-map.ts';
import type { GrpcLimits } from '../grpc/grpc-limits.ts';
import type { CorsRules } from '../http/cors.ts';
import type { AddressLimits } from '../limits/per-address.ts';
import type { InferenceSnapshot } from '../pipeline/inference-snapshot.ts';
import type { DownloadLimits } from '../platform/guarded-download.ts';
import { DEFAULT_OUTLIERS, type OutlierSettings } from '../routing/health/outliers.ts';
import type { HealthSettings } from '../routing/health/target-state.ts';
import type { AdmissionSettings } from '../routing/health/target-states.ts';
import type { RetrySettings } from '../routing/retry.ts';
import { isAddressAllowed } from '../tenancy/address-scope.ts';
import { concurrencyLimits } from './model-definitions.ts';

/** Sections of the configuration in the form that their services take. */

export function retrySettings({ routing: { retry } }: Config): RetrySettings {
  return { attempts: retry.attempts, baseMs: retry.base, maxMs: retry.max, budget: retry.budget };
}

export function healthSettings({ routing }: Config): HealthSettings {
  return {
    breaker: {
      failures: routing.breaker.failures,
      errorRate: routing.breaker.error_rate,
      minRequests: routing.breaker.min_requests,
      openMs: routing.breaker.open,
    },
    coolDownMs: routing.cool_down.default,
    longestCoolDownMs: routing.cool_down.max,
    slowStartMs: routing.slow_start,
  };
}

export function outlierSettings({ routing: { outliers } }: Config): OutlierSettings {
  return {
    ...DEFAULT_OUTLIERS,
    maxEjected: outliers.max_ejected,
    minRequests: outliers.min_requests,
    ejectMs: outliers.eject,
  };
}

export function admissionSettings({ routing: { admission }, models }: Config): AdmissionSettings {
  return {
    limit: admission.max_concurrency,
    limits: concurrencyLimits(models),
    maxQueued: admission.max_queued,
  };
}

export function requestTimeouts({ limits, upstream }: Config): InferenceSnapshot['limits'] {
  return {
    firstTokenMs: limits.first_token,
    answerMs: limits.answer ?? Number.POSITIVE_INFINITY,
    streamIdleMs: limits.stream_idle,
    maxRequestMs: limits.max_request,
    queueTimeoutMs: limits.queue_timeout,
    maxResponseBytes: upstream.max_response,
    forwardsRateLimits: upstream.rate_limit_headers,
  };
}

export function addressLimits({ limits }: Config): AddressLimits {
  return { rules: limits.per_ip, queueTimeoutMs: limits.queue_timeout };
}

/** Addresses whose exemption is cached. */
const MAX_KNOWN_ADDRESSES = 10_000;

/** Whether an address is exempt from the limits of addresses: loopback addresses by default, and trusted proxies. */
export function addressExemption({ limits, server }: Config): (address: string) => boolean {
  const ranges = [...limits.per_ip_exempt, ...server.trusted_proxies];
  if (ranges.length === 0) return () => false;
  // Parsing an address costs more than all other checks of a request's head.
  const known = new RecentMap<string, boolean>(MAX_KNOWN_ADDRESSES);
  return (address) => {
    let exempt = known.get(address);
    if (exempt === undefined) {
      exempt = isAddressAllowed(ranges, address);
      known.set(address, exempt);
    }
    return exempt;
  };
}

/** @param openFiles how many files the process may open; undefined where the system does not tell */
export function serverLimits({ limits, server }: Config, openFiles: number | undefined): GrpcLimits {
  return {
    headTimeoutMs: limits.head_timeout,
    bodyTimeoutMs: limits.body_timeout,
    minRate: limits.min_rate,
    writeIdleMs: limits.write_idle,
    // A request in flight needs a second file, for its upstream.
    maxConnections: Math.min(limits.max_connections, Math.floor((openFiles ?? Number.POSITIVE_INFINITY) / 2)),
    maxConnectionsPerIp: limits.max_connections_per_ip,
    requestMemory: limits.request_memory,
    maxMessageBytes: server.body_limit,
    grpcStreams: limits.grpc_streams,
    grpcFrames: limits.grpc_frames,
    grpcIdleMs: limits.grpc_idle,
    grpcMaxAgeMs: limits.grpc_connection_age,
  };
}

export function corsRules({ server: { cors } }: Config): CorsRules {
  return {
    origins: cors.origins,
    allowCredentials: cors.allow_credentials,
    maxAgeSeconds: Math.floor(cors.max_age / 1000),
  };
}

export function downloadLimits({ media }: Config): DownloadLimits {
  return { maxBytes: media.max_size, timeoutMs: media.timeout, allowedHosts: media.allowed_hosts };
}
