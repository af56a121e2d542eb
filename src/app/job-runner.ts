import type { EventSink } from '../events/event-bus.ts';

/** A periodic job. */
export interface Job {
  /** In the log, for example `refresh API keys`. */
  readonly name: string;
  /** Milliseconds from one start to the next. A run that takes longer overlaps the next one. */
  readonly everyMs: number;
  /** The effect of a failure until a later run succeeds; for the log. */
  readonly impact: string;
  /** Whether workers leave it to their parent: it concerns the machine or the databases. */
  readonly byParent?: boolean;
  /** May return a promise. */
  run(): unknown;
}

/** Calls `tick` every `ms` milliseconds. @returns stops it */
export type Ticker = (ms: number, tick: () => void) => () => void;

export const intervalTicker: Ticker = (ms, tick) => {
  const timer = setInterval(tick, ms);
  // A command that is done may exit.
  timer.unref();
  return () => clearInterval(timer);
};

/** Runs jobs at their intervals. A failure stops no job. */
export class JobRunner {
  readonly #stops: (() => void)[] = [];

  constructor(
    private readonly events: EventSink,
    private readonly ticker: Ticker = intervalTicker,
  ) {}

  /** The first run is one interval from now. */
  start(jobs: readonly Job[]): void {
    for (const job of jobs) this.#stops.push(this.#start(job));
  }

  /** Starts no further run. Runs under way go on. */
  stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }

  #start(job: Job): () => void {
    let isFailing = false;
    const failed = (error: unknown) => {
      // Reported once for each run of failures: some jobs run twice a second.
      if (!isFailing) this.events.emit('job.failed', { job: job.name, impact: job.impact, error });
      isFailing = true;
    };
    const run = async () => {
      await job.run();
      isFailing = false;
    };
    return this.ticker(job.everyMs, () => void run().catch(failed));
  }
}
