import { createAlerts } from '../../app/alerts.ts';
import type { Stores } from '../../app/stores.ts';
import type { Config } from '../../config/schema.ts';
import { systemClock } from '../../core/clock.ts';
import { BY_OPERATOR } from '../operator.ts';
import { RECEIVER } from './webhooks.ts';

const DAY_MS = 86_400_000;

/** Adds receivers of alerts to a tenant, of which one fails, and a silence. */
export async function addAlerts(
  stores: Stores,
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  tenant: string,
  receiverUrl: string,
): Promise<void> {
  const { alerts } = createAlerts({
    ...{ config: () => config, env, stores, clock: systemClock, instance: 'demo' },
    // The demo's gateway evaluates rules.
    limitUses: async () => [],
    onFailure: () => undefined,
  });
  const usual = { secret: null, to: [], rules: [], resolved: true, enabled: true } as const;
  for (const [name, status, severity] of [
    ['On call', 204, 'warning'],
    ['Old chat room', 503, 'critical'],
  ] as const) {
    const url = `${receiverUrl}${RECEIVER}${status}`;
    await alerts.receivers.create(tenant, { ...usual, name, type: 'webhook', url, severity }, BY_OPERATOR);
  }
  const now = systemClock.wallTime();
  const matchers = [{ label: 'rule', value: 'unusual_use', not: false } as const];
  const silence = {
    matchers,
    comment: 'The catalogue is imported again',
    startsAt: now,
    endsAt: now + DAY_MS,
  };
  await alerts.silences.create(tenant, silence, BY_OPERATOR);
}
