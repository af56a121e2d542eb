import type { Logger } from '../../src/observability/log.ts';

/** A logger that writes nothing. */
export function silentLogger(): Logger {
  const ignore = () => undefined;
  return { level: 'silent', debug: ignore, info: ignore, warn: ignore, error: ignore };
}
