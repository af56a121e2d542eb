import type { Clock } from '../core/clock.ts';
import type { Logger } from '../observability/log.ts';
import type { Gateway } from './gateway.ts';
import type { Servers } from './servers.ts';

/** How long the last bytes of responses may take to reach slow clients. */
const FLUSH_MS = 2_000;

/**
 * Drains requests for at most `server.drain_timeout`, then ends the rest, closes the sockets and the gateway.
 * @param onDrained called when no request is in flight, before the gateway closes
 */
export async function shutDown(
  gateway: Gateway,
  { api, metrics, grpc, certificate }: Servers,
  clock: Clock,
  logger: Logger,
  onDrained: () => Promise<void> = async () => undefined,
): Promise<void> {
  const { lifecycle } = gateway;
  certificate?.close();
  const drained = lifecycle.drain();
  // Their connections live for hours: without it, clients would send all new calls to this gateway.
  grpc?.retireConnections();
  const timer = new AbortController();
  const late = clock.sleep(gateway.config.server.drain_timeout, timer.signal).then(
    () => true,
    () => false,
  );
  const timedOut = await Promise.race([drained.then(() => false), late]);
  timer.abort();
  if (timedOut) {
    logger.warn({ requests: lifecycle.active }, 'drain timeout: ending the requests in flight');
    lifecycle.abortAll();
  }
  lifecycle.stopped();
  await Promise.race([Promise.all([api.drain(), grpc?.drain()]), clock.sleep(FLUSH_MS)]);
  api.close();
  grpc?.close();
  metrics?.close();
  await onDrained();
  await gateway.close();
  logger.info('stopped');
}
