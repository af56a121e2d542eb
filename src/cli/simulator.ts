import { systemClock } from '../core/clock.ts';
import { startFetchServer } from '../platform/fetch-server.ts';
import { createSimulator } from '../simulator/index.ts';
import { CommandError, EXIT, type Output } from './output.ts';

export interface SimulatorOptions {
  readonly host: string;
  readonly port: string;
  /** Seconds until it is healthy, like an engine that loads a model. */
  readonly loadTime: string;
}

function numberOf(text: string, what: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= least && value <= most) return value;
  throw new CommandError(`--${what} must be a number from ${least} to ${most}; got "${text}".`);
}

/** Runs the simulator as a standalone engine until SIGTERM or SIGINT. @returns the exit code */
export async function serveSimulator(output: Output, options: SimulatorOptions): Promise<number> {
  const port = numberOf(options.port, 'port', 0, 65_535);
  const loadMs = numberOf(options.loadTime, 'load-time', 0, 86_400) * 1_000;
  const simulator = createSimulator({ clock: systemClock });
  const startedAt = systemClock.now();
  const isLoaded = () => systemClock.now() - startedAt >= loadMs;
  const server = startFetchServer({
    host: options.host,
    port,
    onError: (error) => output.err(String(error)),
    handle: (request) => {
      const health = new URL(request.url).pathname === '/health';
      if (!isLoaded()) return Response.json({ error: { message: 'Loading model' } }, { status: 503 });
      return health ? Response.json({ status: 'ok' }) : simulator(request);
    },
  });
  output.out(`The simulator listens on http://${server.host}:${server.port}/v1`);
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
  server.terminate();
  return EXIT.ok;
}
