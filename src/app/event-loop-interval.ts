import { ConfigError } from '../config/errors.ts';

const VARIABLE = 'WEIR_EVENT_LOOP_INTERVAL_MS';
/** Costs 0.1 % of a core. */
const DEFAULT_MS = 20;
const MAX_MS = 1_000;

/**
 * @returns milliseconds between two measurements of the event-loop delay, from `WEIR_EVENT_LOOP_INTERVAL_MS`
 * @throws ConfigError when the variable is not a whole number from 1 to 1000
 */
export function eventLoopIntervalMs(env: Readonly<Record<string, string | undefined>>): number {
  const text = env[VARIABLE];
  if (text === undefined || text === '') return DEFAULT_MS;
  const ms = /^\d+$/.test(text) ? Number(text) : 0;
  if (ms >= 1 && ms <= MAX_MS) return ms;
  const message = `must be a whole number of milliseconds from 1 to ${MAX_MS}`;
  throw new ConfigError([{ file: null, variable: VARIABLE, line: null, column: null, path: '', message }]);
}
