import { GatewayError } from '../core/errors.ts';
import type { HeaderReader } from '../core/http.ts';
import type { CacheControl, TenantCachePolicy } from '../core/tenant-cache-policy.ts';

/** What a request wants of the cache. */
export interface CacheControls {
  /** `use`: read and store. `refresh`: store only. `only`: read only, and fail on a miss. `bypass`: neither. */
  readonly mode: 'use' | 'refresh' | 'only' | 'bypass';
  /** Lifetime of what is stored, in milliseconds; undefined for the configured one. */
  readonly ttlMs: number | undefined;
  readonly namespace: string;
  /** Milliseconds: older entries are not wanted. */
  readonly maxAgeMs: number | undefined;
  /** Milliseconds beyond its lifetime for which the client accepts an entry; 0 for none. */
  readonly maxStaleMs: number;
}

const USE: CacheControls = {
  mode: 'use',
  ttlMs: undefined,
  namespace: '',
  maxAgeMs: undefined,
  maxStaleMs: 0,
};
const BYPASS: CacheControls = { ...USE, mode: 'bypass' };

const MODES = ['bypass', 'refresh', 'only'] as const;
const NAMESPACE = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;
const TTL = /^(\d{1,9})(ms|s|m|h|d)?$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Reads `x-weir-cache`, `x-weir-cache-ttl`, `x-weir-cache-namespace` and `Cache-Control`. The first three are rejected where
 * the tenant does not permit them; `Cache-Control`, which clients send without thought, is ignored then.
 *
 * @throws GatewayError `invalid_request` naming the header, or `permission_denied`
 */
export function cacheControls(headers: HeaderReader, policy: TenantCachePolicy | undefined): CacheControls {
  const asked = headers.get('x-weir-cache');
  if (policy?.enabled === false) {
    if (asked?.trim().toLowerCase() === 'only') throw denied('x-weir-cache');
    return BYPASS;
  }
  const ttl = headers.get('x-weir-cache-ttl');
  const namespace = headers.get('x-weir-cache-namespace');
  const standard = headers.get('cache-control');
  if (asked === null && ttl === null && namespace === null && standard === null) return USE;
  const permits = (control: CacheControl) => policy?.controls?.includes(control) ?? true;
  const fromStandard = standard === null ? USE : standardControls(standard, permits);
  return {
    ...fromStandard,
    mode: asked === null ? fromStandard.mode : modeOf(asked, permits),
    ttlMs: ttl === null ? undefined : ttlOf(ttl, permits, policy?.maxTtlMs),
    namespace: namespace === null ? '' : namespaceOf(namespace, permits),
  };
}

type Permits = (control: CacheControl) => boolean;

function modeOf(value: string, permits: Permits): CacheControls['mode'] {
  const mode = MODES.find((one) => one === value.trim().toLowerCase());
  if (!mode) throw invalid('x-weir-cache', 'must be bypass, refresh or only');
  if (!permits(mode)) throw denied('x-weir-cache');
  return mode;
}

function ttlOf(value: string, permits: Permits, most = Number.POSITIVE_INFINITY): number {
  const match = TTL.exec(value.trim());
  const ms = Number(match?.[1]) * (UNIT_MS[match?.[2] ?? 's'] ?? Number.NaN);
  if (!(ms > 0)) throw invalid('x-weir-cache-ttl', 'must be a duration above zero, such as 90s, 10m or 1h');
  if (!permits('ttl')) throw denied('x-weir-cache-ttl');
  return Math.min(ms, most);
}

function namespaceOf(value: string, permits: Permits): string {
  const name = value.trim();
  if (!NAMESPACE.test(name)) {
    throw invalid(
      'x-weir-cache-namespace',
      'must be 1 to 64 letters, digits, ".", "_", ":" and "-", beginning with a letter or digit',
    );
  }
  if (!permits('namespace')) throw denied('x-weir-cache-namespace');
  return name;
}

/** https://www.rfc-editor.org/rfc/rfc9111#section-5.2.1 */
function standardControls(value: string, permits: Permits): CacheControls {
  let controls = USE;
  for (const directive of value.toLowerCase().split(',')) {
    const [name = '', argument] = directive.trim().split('=');
    const seconds = argument === undefined ? Number.NaN : Number(argument.replaceAll('"', ''));
    if (name === 'no-store' && permits('bypass')) return { ...controls, mode: 'bypass' };
    if (name === 'no-cache' && permits('refresh')) controls = { ...controls, mode: 'refresh' };
    else if (name === 'only-if-cached' && permits('only')) controls = { ...controls, mode: 'only' };
    else if (name === 'max-age' && seconds >= 0 && permits('refresh')) {
      controls = { ...controls, maxAgeMs: seconds * 1_000 };
    } else if (name === 'max-stale' && permits('ttl')) {
      controls = { ...controls, maxStaleMs: seconds >= 0 ? seconds * 1_000 : Number.POSITIVE_INFINITY };
    }
  }
  return controls;
}

function invalid(param: string, message: string): GatewayError {
  return new GatewayError('invalid_request', `The header "${param}" ${message}.`, { param });
}

function denied(param: string): GatewayError {
  const message = `The header "${param}" asks for what the tenant does not permit. Leave it out, or ask an administrator.`;
  return new GatewayError('permission_denied', message, { param });
}
