import type { TraceSampler } from '../../config/tracing-schema.ts';
import type { RemoteSpan } from './trace-context.ts';

const PARENT = 'parentbased_';
/** The last 56 bits of a trace id are random (W3C Trace Context, level 2). */
const RANDOM_DIGITS = 14;
const RANDOM_BITS = 52;

/**
 * Decides at the start of a request whether its trace is recorded.
 * @param ratio from 0 to 1, for `traceidratio`: every participant of a trace comes to the same decision
 */
export function isSampled(
  sampler: TraceSampler,
  ratio: number,
  traceId: string,
  parent: RemoteSpan | undefined,
): boolean {
  if (parent && sampler.startsWith(PARENT)) return parent.isSampled;
  if (sampler.endsWith('always_on')) return true;
  if (sampler.endsWith('always_off')) return false;
  if (ratio >= 1) return true;
  const random = Number.parseInt(traceId.slice(-RANDOM_DIGITS).slice(0, RANDOM_BITS / 4), 16);
  return random < ratio * 2 ** RANDOM_BITS;
}
