import { GatewayError } from '../core/errors.ts';
import type { HeaderReader } from '../core/http.ts';

const TIMEOUT = /^(\d{1,9})(ms|s|m|h)$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** `x-weir-timeout`, in milliseconds, never longer than the configuration allows. */
export function requestTimeout(headers: HeaderReader, maxRequestMs: number): number {
  const value = headers.get('x-weir-timeout');
  if (value === null) return maxRequestMs;
  const match = TIMEOUT.exec(value.trim());
  const milliseconds = Number(match?.[1]) * (UNIT_MS[match?.[2] ?? ''] ?? Number.NaN);
  if (!(milliseconds > 0)) {
    throw new GatewayError(
      'invalid_request',
      'The header "x-weir-timeout" must be a duration above zero with its unit, such as 500ms, 30s or 5m.',
      { param: 'x-weir-timeout' },
    );
  }
  return Math.min(milliseconds, maxRequestMs);
}
