import { EventLoopDelay, threadCpuMs } from '../../src/observability/event-loop-delay.ts';
import { BUSY_METRIC, DELAY_METRIC } from './event-loop.ts';

/** Measures the event loop of this process as Weir does, and serves the same metrics. @param port on 127.0.0.1 */
export function serveEventLoop(port: number): void {
  const delay = new EventLoopDelay({ intervalMs: 1, now: () => performance.now(), cpuMs: threadCpuMs });
  setInterval(() => delay.tick(), delay.intervalMs);
  Bun.serve({
    hostname: '127.0.0.1',
    port,
    fetch: () =>
      new Response(`${DELAY_METRIC} ${delay.takeMaxDelay()}\n${BUSY_METRIC} ${delay.takeMaxBusy()}\n`),
  });
}
