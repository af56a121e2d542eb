import type { Log, LogLosses } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';

/** Counts lost lines of the log in the metrics. */
export class LogLossCounter {
  #counted: LogLosses = { stdout: 0, files: 0 };

  constructor(private readonly log: Pick<Log, 'losses'>) {}

  /** To be called before the metrics are read. */
  update({ losses: { logLinesLost } }: Metrics): void {
    const { losses } = this.log;
    for (const sink of ['stdout', 'files'] as const) {
      logLinesLost.labels(sink).inc(losses[sink] - this.#counted[sink]);
    }
    this.#counted = losses;
  }
}
