import { setImmediate as nextTurn } from 'node:timers/promises';
import { BatchFilter } from '../batch-filter.ts';
import {
  isMain,
  type KeptRequest,
  matches,
  type RequestFilter,
  requestOf,
  requestsIn,
  wantedTexts,
} from '../kept-request.ts';
import type { TenantScope } from '../tenant-scope.ts';
import { eventOf, type UsageEvent } from '../usage-event.ts';
import type { TenantDatabase, TenantDatabases } from './tenant-databases.ts';

/** The place of a request in a list, newest first: later requests have smaller places. */
export interface RequestPlace {
  /** Unix milliseconds of its end. */
  readonly at: number;
  /** Of its event. */
  readonly id: string;
}

export interface RequestQuery {
  /** Unix milliseconds: from inclusive, to exclusive. */
  readonly from: number;
  readonly to: number;
  readonly filter: RequestFilter;
  /** Only requests after this place. */
  readonly after: RequestPlace | undefined;
  /** Maximum number of requests, at least 1. */
  readonly limit: number;
}

export interface RequestPage {
  /** The newest first. */
  readonly requests: readonly KeptRequest[];
  /** Where the next page begins; undefined after the last one. */
  readonly next: RequestPlace | undefined;
  /** The search was ended before the page was full. */
  readonly isPartial: boolean;
  /** Events that were read. */
  readonly read: number;
}

/** Batches whose index is read at once. */
const INDEX_ROWS = 500;
/** Batches whose index one page reads, about 0.4 KB each. */
const MAX_INDEX_ROWS = 20_000;
/** Events that one page reads, about 2 us each; one batch more. */
const MAX_EVENTS = 50_000;
/** Batches in which one id is looked for. */
const MAX_BATCHES_OF_ID = 100;

interface IndexRow {
  readonly id: string;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly mayMatch: boolean;
}

/**
 * Lists requests from the batches of usage events. Each batch has a filter of its ids, keys, models and so on, and its
 * largest values, so that a search reads only batches that may contain what is looked for. The work of a page is bounded;
 * a page may end early and says so. Fails closed with `UnknownTenantError` or the database's error.
 */
export class SqlRequestStore {
  constructor(private readonly databases: TenantDatabases) {}

  list(scope: TenantScope, query: RequestQuery): Promise<RequestPage> {
    return this.databases.read(scope, (db) => new Search(db, query).run());
  }

  /**
   * Reads the requests of a time range, the newest batches first, until so many events were read.
   * @param take called with the requests of each batch that match; those that reached no target are left out
   * @returns since when all of them were read, in Unix milliseconds: `from`, or later where there are too many
   */
  scan(
    scope: TenantScope,
    { from, to, filter }: Pick<RequestQuery, 'from' | 'to' | 'filter'>,
    maxEvents: number,
    take: (requests: readonly KeptRequest[]) => void,
  ): Promise<number> {
    return this.databases.read(scope, async (db) => {
      let read = 0;
      for await (const { id, lastAt, mayMatch } of indexRows(db, { from, to, filter, after: undefined })) {
        if (read >= maxEvents) return lastAt + 1;
        if (!mayMatch) continue;
        const events = await eventsOf(db, id);
        read += events.length;
        take(
          requestsIn(events).filter(
            (request) =>
              request.attempts.length > 0 &&
              request.main.at >= from &&
              request.main.at < to &&
              matches(request, filter),
          ),
        );
        await nextTurn();
      }
      return from;
    });
  }

  /** @returns the latest request with an id, which clients may choose, with all its attempts; undefined for none */
  find(scope: TenantScope, id: string): Promise<KeptRequest | undefined> {
    return this.databases.read(scope, async (db) => {
      const query = { from: 0, to: Number.MAX_SAFE_INTEGER, filter: { id }, after: undefined, limit: 1 };
      let batches = 0;
      const events: UsageEvent[] = [];
      for await (const { id: batch, mayMatch } of indexRows(db, query)) {
        if (!mayMatch || batches >= MAX_BATCHES_OF_ID) continue;
        batches += 1;
        events.push(...(await eventsOf(db, batch)).filter(({ requestId }) => requestId === id));
        // Its attempts may be in the batch before, when that was full.
        if (events.some(isMain) && batches > 1) break;
      }
      const [latest] = requestsIn(events).sort((a, b) => b.main.at - a.main.at);
      if (!latest) return undefined;
      const isSole = events.filter(isMain).length === 1;
      return isSole
        ? requestOf(
            latest.main,
            events.toSorted((a, b) => a.at - b.at),
          )
        : latest;
    });
  }
}

/** One page: merges batches, which overlap in time where several gateways store them. */
class Search {
  /** The newest first. */
  #found: readonly KeptRequest[] = [];
  /** Time of the last request of a full page. */
  #enoughSince = Number.NEGATIVE_INFINITY;
  #read = 0;

  constructor(
    private readonly db: TenantDatabase,
    private readonly query: RequestQuery,
  ) {}

  async run(): Promise<RequestPage> {
    const { limit } = this.query;
    let indexed = 0;
    for await (const row of indexRows(this.db, this.query)) {
      // Nothing in this batch or after it is newer.
      if (this.#enoughSince > row.lastAt) return this.#page(undefined);
      indexed += 1;
      if (this.#read >= MAX_EVENTS || indexed > MAX_INDEX_ROWS) return this.#page(row.lastAt);
      if (!row.mayMatch) continue;
      const events = await eventsOf(this.db, row.id);
      this.#read += events.length;
      const wanted = requestsIn(events).filter((request) => this.#isWanted(request));
      if (wanted.length > 0) {
        // What lies beyond a page and one more request is read again by a later page.
        this.#found = [...this.#found, ...wanted].sort((a, b) => order(a.main, b.main)).slice(0, limit + 1);
        this.#enoughSince = this.#found[limit]?.main.at ?? Number.NEGATIVE_INFINITY;
      }
      await nextTurn();
    }
    return this.#page(undefined);
  }

  #isWanted(request: KeptRequest): boolean {
    const { from, to, after, filter } = this.query;
    const { at } = request.main;
    return at >= from && at < to && (!after || order(request.main, after) > 0) && matches(request, filter);
  }

  /** @param searchedTo Unix milliseconds: requests until then were not all read; undefined when they were */
  #page(searchedTo: number | undefined): RequestPage {
    const { limit } = this.query;
    const complete = this.#found.filter(({ main }) => searchedTo === undefined || main.at > searchedTo);
    const requests = complete.slice(0, limit);
    const last = requests.at(-1);
    const read = this.#read;
    if (complete.length > limit && last) {
      return { requests, next: { at: last.main.at, id: last.main.id }, isPartial: false, read };
    }
    if (searchedTo === undefined) return { requests, next: undefined, isPartial: false, read };
    return { requests, next: { at: searchedTo, id: LAST_ID }, isPartial: true, read };
  }
}

/** Is after every id. */
const LAST_ID = '\uffff';

/** @returns a negative number where the first one comes first: it is newer */
export function order(a: RequestPlace, b: RequestPlace): number {
  return b.at - a.at || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
}

/** The batches of a query, the newest last event first. */
async function* indexRows(db: TenantDatabase, query: Omit<RequestQuery, 'limit'>): AsyncGenerator<IndexRow> {
  const { from, to, after, filter } = query;
  const newest = Math.min(to - 1, after?.at ?? Number.MAX_SAFE_INTEGER);
  const wanted = wantedTexts(filter);
  let place: { readonly lastAt: number; readonly id: string } | undefined;
  for (;;) {
    const { lastAt, id } = place ?? { lastAt: Number.MAX_SAFE_INTEGER, id: '' };
    const rows = await db
      .selectFrom('usage_batches')
      // Batches from before the index have none, and are read.
      .leftJoin('usage_batch_index', 'usage_batch_index.batch', 'usage_batches.id')
      .select([
        'usage_batches.id',
        'usage_batches.first_at',
        'usage_batches.last_at',
        'usage_batch_index.filter',
        'usage_batch_index.max_cost_pico',
        'usage_batch_index.max_duration_ms',
      ])
      .where('usage_batches.first_at', '<=', newest)
      .where('usage_batches.last_at', '>=', from)
      .whereRef('usage_batches.count', '>', 'usage_batches.archived')
      .where(({ eb, or, and }) =>
        or([
          eb('usage_batches.last_at', '<', lastAt),
          and([eb('usage_batches.last_at', '=', lastAt), eb('usage_batches.id', '<', id)]),
        ]),
      )
      .orderBy('usage_batches.last_at', 'desc')
      .orderBy('usage_batches.id', 'desc')
      .limit(INDEX_ROWS)
      .execute();
    for (const row of rows) {
      const isLarge =
        row.filter === null ||
        ((filter.minCostPico ?? 0) <= Number(row.max_cost_pico) &&
          (filter.minDurationMs ?? 0) <= Number(row.max_duration_ms));
      const stored = row.filter === null || wanted.length === 0 ? undefined : BatchFilter.parse(row.filter);
      const mayMatch = isLarge && (!stored || wanted.every((text) => stored.mayHave(text)));
      yield { id: row.id, firstAt: Number(row.first_at), lastAt: Number(row.last_at), mayMatch };
    }
    const last = rows.at(-1);
    if (!last || rows.length < INDEX_ROWS) return;
    place = { lastAt: Number(last.last_at), id: last.id };
    await nextTurn();
  }
}

async function eventsOf(db: TenantDatabase, batch: string): Promise<UsageEvent[]> {
  const row = await db
    .selectFrom('usage_batches')
    .select('events')
    .where('id', '=', batch)
    .executeTakeFirst();
  return (row?.events.split('\n') ?? []).flatMap((line) => eventOf(line) ?? []);
}
