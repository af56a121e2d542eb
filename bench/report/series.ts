import { median, medianRatio, spread } from './statistics.ts';

/** One metric of one subject: a value for each round, null where it could not be measured. */
export interface Series {
  readonly scenario: string;
  readonly subject: string;
  readonly metric: string;
  readonly rounds: (number | null)[];
}

/** Everything that was measured, in the order it came. */
export class Measurements {
  private readonly series = new Map<string, Series>();

  add(scenario: string, subject: string, metric: string, value: number | undefined): void {
    const key = JSON.stringify([scenario, subject, metric]);
    let found = this.series.get(key);
    if (!found) {
      found = { scenario, subject, metric, rounds: [] };
      this.series.set(key, found);
    }
    found.rounds.push(value === undefined || !Number.isFinite(value) ? null : value);
  }

  all(): Series[] {
    return [...this.series.values()];
  }

  subjects(): string[] {
    return [...new Set(this.all().map(({ subject }) => subject))];
  }

  rounds(scenario: string, subject: string, metric: string): readonly (number | null)[] {
    return this.series.get(JSON.stringify([scenario, subject, metric]))?.rounds ?? [];
  }

  /** Median over the rounds; undefined when it was not measured. */
  value(scenario: string, subject: string, metric: string): number | undefined {
    return median(present(this.rounds(scenario, subject, metric)));
  }

  spread(scenario: string, subject: string, metric: string): number | undefined {
    return spread(present(this.rounds(scenario, subject, metric)));
  }

  /** Median over the rounds of the ratio to another subject. */
  ratio(scenario: string, subject: string, metric: string, base: string): number | undefined {
    return medianRatio(this.rounds(scenario, subject, metric), this.rounds(scenario, base, metric));
  }
}

function present(values: readonly (number | null)[]): number[] {
  return values.filter((value) => value !== null);
}
