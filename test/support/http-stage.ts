import type { Clock } from '../../src/core/clock.ts';
import { HttpStage, type HttpStageOptions } from '../../src/http/http-stage.ts';
import { AddressLimiter, type AddressRules } from '../../src/limits/per-address.ts';
import { RecordedEvents } from './recorded-events.ts';

/** An HTTP stage that limits addresses by the rules, if any, and trusts no proxy. */
export function openStage(
  clock: Clock,
  rules: AddressRules | null = null,
  more: Partial<HttpStageOptions> = {},
): HttpStage {
  return new HttpStage({
    addressLimiter: new AddressLimiter(clock, () => ({ rules, queueTimeoutMs: 100 }), new RecordedEvents()),
    isProxy: () => undefined,
    isExemptAddress: () => false,
    assertAccepting: () => undefined,
    ...more,
  });
}
