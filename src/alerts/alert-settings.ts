import type { Config } from '../config/schema.ts';
import type { AlertLinks } from './alert.ts';

/** The section `alerts` of the configuration, and what messages link to. */
export interface AlertSettings extends AlertLinks {
  readonly enabled: boolean;
  readonly rules: Config['alerts']['rules'];
  readonly receivers: Config['alerts']['receivers'];
  readonly groupWaitMs: number;
  readonly groupIntervalMs: number;
  readonly repeatIntervalMs: number;
  readonly historyMs: number;
}

/** @returns the settings of a configuration */
export function alertSettings({ alerts, auth }: Pick<Config, 'alerts' | 'auth'>): AlertSettings {
  return {
    ...{ enabled: alerts.enabled, rules: alerts.rules, receivers: alerts.receivers },
    groupWaitMs: alerts.group_wait,
    groupIntervalMs: alerts.group_interval,
    repeatIntervalMs: alerts.repeat_interval,
    historyMs: alerts.history,
    consoleUrl: auth.public_url?.replace(/\/+$/, '') ?? null,
    runbooksUrl: alerts.runbooks_url,
  };
}
