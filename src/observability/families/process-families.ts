import type { EventLoopReadings } from '../event-loop-delay.ts';
import type { MetricFamilies } from '../metric-families.ts';
import type { ProcessLimits, ProcessStats } from '../process-stats.ts';

export interface ProcessReadings {
  readonly stats: () => ProcessStats;
  readonly limits: () => ProcessLimits;
  /** Read once at each scrape. */
  readonly eventLoop: EventLoopReadings;
}

/** The process, with the names that Prometheus' client libraries use. */
export function processFamilies(
  families: MetricFamilies,
  { stats, limits, eventLoop }: ProcessReadings,
): void {
  families.section('Process');
  families.sampled(
    'process_cpu_seconds_total',
    'User and system CPU time.',
    'counter',
    () => stats().cpuSeconds,
  );
  families.sampled('process_resident_memory_bytes', 'Resident memory.', 'gauge', () => stats().residentBytes);
  families.sampled(
    'process_memory_limit_bytes',
    'Memory that the process may use: the limit of its container, else the memory of the machine.',
    'gauge',
    () => limits().memoryBytes,
  );
  families.sampled(
    'process_start_time_seconds',
    'Start of the process, in Unix time.',
    'gauge',
    () => stats().startedAtSeconds,
  );
  families.sampled('process_open_fds', 'Open file descriptors.', 'gauge', () => stats().openFiles);
  families.sampled(
    'process_max_fds',
    'Largest number of open file descriptors.',
    'gauge',
    () => limits().openFiles,
  );
  families.sampled(
    'process_event_loop_delay_max_seconds',
    'Longest time since the last scrape that a due timer waited for the main thread.',
    'gauge',
    () => eventLoop.takeMaxDelay(),
  );
  families.sampled(
    'process_event_loop_busy_max_seconds',
    'As the delay, but CPU time of the main thread only: no waiting for a core or a disk.',
    'gauge',
    () => eventLoop.takeMaxBusy(),
  );
}
