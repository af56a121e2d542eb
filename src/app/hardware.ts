import { hostname } from 'node:os';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { EngineReadings } from '../engines/engine-readings.ts';
import { GpuMonitor, type SourceResult } from '../observability/gpus/gpu-monitor.ts';
import type { Metrics } from '../observability/metrics.ts';
import { findProgram } from '../platform/child-process.ts';
import { runProgram } from '../platform/run-program.ts';
import type { EngineProbe } from '../routing/health/health-checks.ts';

export interface HardwareOptions {
  readonly config: () => Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** GPUs and engines, as far as metrics show them. */
export interface Hardware {
  readonly gpus: GpuMonitor;
  readonly engines: EngineReadings;
  readonly onEngineProbe: (provider: string, probed: EngineProbe) => void;
}

/** A page of a cluster's exporter has some hundred kilobytes. */
const MAX_BYTES = 4 * 1024 * 1024;
/** Readings older than this number of intervals are not shown. */
const STALE_INTERVALS = 3;

/** Where the metrics of GPUs and engines come from. */
export function createHardware({ config, env, clock, metrics }: HardwareOptions): Hardware {
  const { scrapeErrors } = metrics.gpus;
  const now = () => clock.now();
  const engines = new EngineReadings(now, () => config().metrics.gpus.interval * STALE_INTERVALS);
  const gpus = new GpuMonitor({
    settings: () => {
      const { interval, nvidia_smi, dcgm } = config().metrics.gpus;
      return { intervalMs: interval, nvidiaSmi: nvidia_smi, dcgm };
    },
    sources: {
      run: (program, args, timeoutMs) => run(program, args, timeoutMs, env.PATH),
      fetch: fetchPage,
    },
    now,
    node: hostname(),
    onError: (source, reason) => scrapeErrors.labels(source, reason).inc(),
  });
  return {
    gpus,
    engines,
    onEngineProbe: (provider, probed) => {
      engines.set(provider, probed.kind === 'read' ? probed.metrics : undefined);
      if (probed.kind === 'failed') scrapeErrors.labels(provider, probed.reason).inc();
      if (probed.kind === 'read' && probed.metrics.malformed > 0) {
        scrapeErrors.labels(provider, 'malformed').inc();
      }
    },
  };
}

async function run(
  name: string,
  args: readonly string[],
  timeoutMs: number,
  searchPath: string | undefined,
): Promise<SourceResult> {
  const program = findProgram(name, searchPath);
  if (program === undefined) return { kind: 'absent' };
  // It needs nothing of this process' environment, which has secrets.
  const env = { PATH: searchPath ?? '', LC_ALL: 'C' };
  const result = await runProgram({ program, args, env, timeoutMs, maxBytes: MAX_BYTES });
  if (result.kind === 'failed') return { kind: 'failed', reason: 'unreachable' };
  if (result.kind !== 'exited') return { kind: 'failed', reason: result.kind };
  return result.code === 0 ? { kind: 'text', text: result.output } : { kind: 'failed', reason: 'status' };
}

async function fetchPage(url: string, timeoutMs: number): Promise<SourceResult> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, { redirect: 'manual', signal });
    if (response.status !== 200 || !response.body) {
      await response.body?.cancel();
      return { kind: 'failed', reason: 'status' };
    }
    const decoder = new TextDecoder();
    let text = '';
    let bytes = 0;
    for await (const part of response.body) {
      bytes += part.length;
      // Leaving the loop cancels the body.
      if (bytes > MAX_BYTES) return { kind: 'failed', reason: 'too_large' };
      text += decoder.decode(part, { stream: true });
    }
    return { kind: 'text', text: text + decoder.decode() };
  } catch {
    // The counter names the reason; an exporter that is away is no event of this gateway.
    return { kind: 'failed', reason: signal.aborted ? 'timeout' : 'unreachable' };
  }
}
