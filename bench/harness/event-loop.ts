/** Names under which Weir and the floor report how long their main thread was busy, in seconds. */
export const DELAY_METRIC = 'process_event_loop_delay_max_seconds';
export const BUSY_METRIC = 'process_event_loop_busy_max_seconds';

export interface EventLoopReading {
  /** Longest time that a timer waited for the main thread, in milliseconds. */
  readonly delayMs: number;
  /** The same, counting only CPU time of the main thread. */
  readonly busyMs: number;
}

/** @returns the value of a metric without labels. @throws Error when the page lacks it */
export function metricValue(page: string, name: string): number {
  const value = new RegExp(`^${name} (\\S+)$`, 'm').exec(page)?.[1];
  if (value === undefined) throw new Error(`the metrics page has no ${name}`);
  return Number(value);
}

/** Reads the maxima since the last reading, which starts a new period. */
export async function readEventLoop(metricsUrl: string): Promise<EventLoopReading> {
  const response = await fetch(metricsUrl);
  const page = await response.text();
  return { delayMs: metricValue(page, DELAY_METRIC) * 1000, busyMs: metricValue(page, BUSY_METRIC) * 1000 };
}
