import { stringify } from 'yaml';
import { type Observation, ObservationReporter } from '../../src/alerts/observations.ts';
import { createAlerts } from '../../src/app/alerts.ts';
import { CONFIG_CATALOG } from '../../src/app/config-catalog.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/schema.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { countersOf } from '../../src/limits/counter.ts';
import {
  type BillingInstallation,
  billingInstallation,
  INSTALLATION_DATABASES,
} from './billing-installation.ts';

/** An installation with tenants, usage and alerts, at a time that the test sets. */
export interface AlertInstallation {
  readonly installation: BillingInstallation;
  /** Unix milliseconds. */
  now: number;
  readonly clock: Clock;
  /** What limits count, by `scope:of:per`. */
  readonly used: Map<string, number>;
  /** What this gateway finds wrong with itself. */
  observed: readonly Observation[];
  /** Errors of tenants that could not be evaluated. */
  readonly failures: unknown[];
  /** A gateway's part of alerts. */
  gateway(instance: string): ReturnType<typeof createAlerts>;
  /** Reports what is observed, evaluates, and sends. */
  round(gateway: ReturnType<typeof createAlerts>): Promise<void>;
  /** @returns types, tenants and rules of the stored events about alerts, in order */
  events(): Promise<readonly (readonly [type: string, tenant: string, rule: string])[]>;
  /** What commands on its databases get. */
  readonly commandConfig: Config;
  readonly commandEnv: Readonly<Record<string, string>>;
  dispose(): Promise<void>;
}

/** @param settings of the configuration */
export async function alertInstallation(
  settings: Readonly<Record<string, unknown>>,
  start: string,
  database: (typeof INSTALLATION_DATABASES)[number] = INSTALLATION_DATABASES[0],
): Promise<AlertInstallation> {
  const installation = await billingInstallation(database, {});
  const { stores, env } = installation;
  const yaml = new TextEncoder().encode(stringify(settings));
  const variables = {
    WEIR_DATA_DIR: env.WEIR_DATA_DIR,
    WEIR_CONFIG: 'weir.yaml',
    WEIR_WEBHOOKS_ALLOW_PRIVATE: '1',
  };
  const { config } = loadConfig({ env: variables, cwd: '/', catalog: CONFIG_CATALOG, readFile: () => yaml });
  const used = new Map<string, number>();
  const failures: unknown[] = [];
  let reporter: ObservationReporter | undefined;
  const self: AlertInstallation = {
    ...{ installation, used, failures, observed: [] },
    now: Date.parse(start),
    clock: { ...systemClock, now: () => self.now, wallTime: () => self.now },
    gateway: (instance) =>
      createAlerts({
        ...{ config: () => config, env: variables, stores, clock: self.clock, instance },
        limitUses: async (subjects) =>
          subjects.flatMap(countersOf).map((counter) => ({
            counter,
            counterState: used.get(`${counter.subject.scope}:${counter.limit.of}:${counter.limit.per}`) ?? 0,
          })),
        onFailure: (error) => failures.push(error),
      }),
    round: async (gateway) => {
      installation.setTime(self.now);
      reporter ??= new ObservationReporter(stores.control, self.clock, 'gw_observed', () => self.observed);
      await reporter.report();
      await gateway.tick();
      await gateway.send();
      await gateway.idle();
    },
    events: async () => {
      const rows = await stores.control
        .selectFrom('event_log')
        .select(['type', 'tenant', 'data'])
        .where('type', 'in', ['alert.fired', 'alert.resolved', 'alert.undelivered'])
        .orderBy('sequence')
        .execute();
      return rows.map(({ type, tenant, data }) => [type, tenant, String(JSON.parse(data).rule)] as const);
    },
    commandConfig: { ...config, storage: installation.config.storage },
    commandEnv: { ...env, WEIR_WEBHOOKS_ALLOW_PRIVATE: '1' },
    dispose: () => installation.dispose(),
  };
  installation.setTime(self.now);
  return self;
}
