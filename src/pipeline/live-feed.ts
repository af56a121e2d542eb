import { GatewayError } from '../core/errors.ts';
import type { LoggedSummary } from '../storage/logged-request.ts';
import type { RequestContext } from './request-context.ts';
import { recordOf } from './request-record.ts';
import { costOf, summaryOf } from './request-summary.ts';

/** What happened in the last second, of what a watcher sees. */
export interface LiveTotals {
  readonly requests: number;
  readonly errors: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  /** 10^-12 US dollars. */
  readonly costPico: number;
}

/** Receives completed requests, and totals each second. */
export interface LiveWatcher {
  /** Who watches; each may do so a few times at once. */
  readonly actor: string;
  /** @returns whether it sees the requests of a member of a tenant */
  sees(tenant: string, member: string | undefined): boolean;
  completed(summary: LoggedSummary, costPico: number | undefined): void;
  /** Called each second. */
  tick(): void;
  /** Ends it. */
  close(): void;
}

const MAX_WATCHERS = 100;
const MAX_OF_ACTOR = 10;

/** Sends completed requests to its watchers. Without any, a request costs one comparison. */
export class LiveFeed {
  readonly #watchers = new Set<LiveWatcher>();

  get size(): number {
    return this.#watchers.size;
  }

  /** @throws GatewayError `rate_limit_exceeded` where too many watch already */
  add(watcher: LiveWatcher): void {
    const own = [...this.#watchers].filter(({ actor }) => actor === watcher.actor).length;
    if (this.#watchers.size >= MAX_WATCHERS || own >= MAX_OF_ACTOR) {
      const whose = own >= MAX_OF_ACTOR ? `You have ${own}` : `This gateway has ${this.#watchers.size}`;
      throw new GatewayError(
        'rate_limit_exceeded',
        `${whose} live streams open already. Close one, and open this one again.`,
        { headers: { 'retry-after': '5' } },
      );
    }
    this.#watchers.add(watcher);
  }

  remove(watcher: LiveWatcher): void {
    this.#watchers.delete(watcher);
  }

  /**
   * @param request which has completed
   * @param endedAt monotonic milliseconds
   * @param wallTime the same moment in Unix milliseconds
   */
  completed(request: RequestContext, endedAt: number, wallTime: number): void {
    if (this.#watchers.size === 0) return;
    const { identity, controls, routing } = request;
    const { tenant, member } = identity.principal;
    const watching = [...this.#watchers].filter((watcher) => watcher.sees(tenant, member));
    if (watching.length === 0) return;
    const record = recordOf(request, endedAt, wallTime);
    const costPico = costOf({ record });
    const { operation } = identity;
    const model = routing.modelLabel ?? 'unknown';
    const summary = summaryOf({ record, model, operation, tags: controls.tags }, costPico);
    for (const watcher of watching) watcher.completed(summary, costPico);
  }

  /** A request that another process of this gateway has completed. */
  completedElsewhere(summary: LoggedSummary, costPico: number | undefined): void {
    for (const watcher of this.#watchers) {
      if (watcher.sees(summary.tenant, summary.user ?? undefined)) watcher.completed(summary, costPico);
    }
  }

  /** To be called each second. */
  tick(): void {
    for (const watcher of [...this.#watchers]) watcher.tick();
  }

  /** Ends all streams, so that a shutdown does not wait for them. */
  close(): void {
    for (const watcher of [...this.#watchers]) watcher.close();
  }
}
