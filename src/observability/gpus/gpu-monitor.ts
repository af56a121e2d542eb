import { parseDcgm } from './dcgm.ts';
import type { GpuPage, GpuReading } from './gpu-reading.ts';
import { NVIDIA_SMI_ARGUMENTS, parseNvidiaSmi } from './nvidia-smi.ts';

export interface GpuSettings {
  readonly intervalMs: number;
  /** A path, or a name in `PATH`; null never runs it. */
  readonly nvidiaSmi: string | null;
  /** Addresses of DCGM exporters. */
  readonly dcgm: readonly string[];
}

/** How reading a source ended. */
export type SourceResult =
  | { readonly kind: 'text'; readonly text: string }
  /** There is no such program: the machine has no GPU. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'failed'; readonly reason: ScrapeFailure };

export type ScrapeFailure = 'unreachable' | 'timeout' | 'status' | 'too_large' | 'malformed';

/** What the monitor uses of the rest of the process. Neither function rejects. */
export interface GpuSources {
  /** Runs a program, and ends it when it takes longer than the time-out. */
  readonly run: (program: string, args: readonly string[], timeoutMs: number) => Promise<SourceResult>;
  readonly fetch: (url: string, timeoutMs: number) => Promise<SourceResult>;
}

export interface GpuMonitorOptions {
  readonly settings: () => GpuSettings;
  readonly sources: GpuSources;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Name of this machine. */
  readonly node: string;
  readonly onError: (source: string, reason: ScrapeFailure) => void;
}

const TIMEOUT_MS = 5_000;
/** Readings are kept for this number of intervals: a GPU that is gone must not look healthy. */
const STALE_INTERVALS = 3;
const NVIDIA_SMI = 'nvidia-smi';

/** Reads the GPUs of this machine and of DCGM exporters at intervals, each source at most once at a time. */
export class GpuMonitor {
  readonly #readings = new Map<string, { readonly gpus: readonly GpuReading[]; readonly at: number }>();
  readonly #running = new Map<string, Promise<void>>();
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: GpuMonitorOptions) {}

  /** Begins to read the sources that are due; to be called every second. Returns at once. */
  tick(): void {
    const { intervalMs } = this.options.settings();
    if (this.options.now() - this.#readAt >= intervalMs) void this.read();
  }

  /** Reads all sources. Never rejects. */
  async read(): Promise<void> {
    const { settings, sources, node } = this.options;
    const { nvidiaSmi, dcgm } = settings();
    this.#readAt = this.options.now();
    const sourceNames = [...(nvidiaSmi === null ? [] : [NVIDIA_SMI]), ...dcgm];
    for (const name of this.#readings.keys()) if (!sourceNames.includes(name)) this.#readings.delete(name);
    if (nvidiaSmi !== null) {
      this.#begin(
        NVIDIA_SMI,
        () => sources.run(nvidiaSmi, NVIDIA_SMI_ARGUMENTS, TIMEOUT_MS),
        (text) => parseNvidiaSmi(text, node),
      );
    }
    for (const url of dcgm) {
      const { hostname } = new URL(url);
      this.#begin(
        url,
        () => sources.fetch(url, TIMEOUT_MS),
        (text) => parseDcgm(text, hostname),
      );
    }
    await Promise.all(this.#running.values());
  }

  /** The GPUs that were read lately. */
  readings(): readonly GpuReading[] {
    const staleAt = this.options.now() - STALE_INTERVALS * this.options.settings().intervalMs;
    return [...this.#readings.values()].flatMap(({ gpus, at }) => (at > staleAt ? gpus : []));
  }

  #begin(name: string, read: () => Promise<SourceResult>, parse: (text: string) => GpuPage): void {
    // One that hangs is not started again.
    if (this.#running.has(name)) return;
    const running = read().then((result) => {
      this.#running.delete(name);
      this.#ended(name, result, parse);
    });
    this.#running.set(name, running);
  }

  #ended(name: string, result: SourceResult, parse: (text: string) => GpuPage): void {
    if (result.kind === 'absent') return;
    const source = name === NVIDIA_SMI ? name : new URL(name).host;
    if (result.kind === 'failed') {
      this.options.onError(source, result.reason);
      return;
    }
    const { gpus, malformed } = parse(result.text);
    if (malformed > 0) this.options.onError(source, 'malformed');
    this.#readings.set(name, { gpus, at: this.options.now() });
  }
}
