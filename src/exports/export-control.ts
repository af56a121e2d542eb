import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { exportCursors, exportHeads, pauseExport, rewindExport } from '../storage/sql/export-store.ts';
import type { ExportCursorRow } from '../storage/sql/export-tables.ts';
import type { WaitingRecords } from '../storage/sql/exported-log.ts';
import type { ExportSettings } from './create-sink.ts';
import { cursorId } from './export-id.ts';
import type { ExportSink } from './sink.ts';
import type { ExportSource } from './source.ts';
import { type SinkTest, testSink } from './test-sink.ts';

export interface ExportControlOptions {
  readonly control: Kysely<ControlTables>;
  readonly sources: Readonly<Record<ExportSettings['source'], ExportSource>>;
  readonly clock: Clock;
  readonly settings: () => readonly ExportSettings[];
  /** All tenants of this gateway's region. */
  readonly tenants: () => readonly string[];
  /** @throws ObjectStorageError for a location that is none */
  readonly sinkOf: (settings: ExportSettings) => ExportSink;
  /** Replaces credentials and personal data in messages of failures. */
  readonly redact: (text: string) => string;
}

/** What waits to be sent. */
export interface Waiting {
  readonly records: number;
  /** Whether there are more records, or tenants that were not counted. */
  readonly isMore: boolean;
  /** Unix milliseconds of the oldest record; null where there is none. */
  readonly oldestAt: number | null;
}

/** Progress of an export, of all tenants or of one. Times are Unix milliseconds. */
export interface ExportProgressView {
  readonly sent: number;
  readonly dropped: number;
  readonly lastSentAt: number | null;
  /** The tenant is empty where the export cannot run as it is configured. */
  readonly error: { readonly message: string; readonly at: number; readonly tenant: string } | null;
  readonly waiting: Waiting;
}

export interface ExportView extends ExportProgressView {
  readonly settings: ExportSettings;
  readonly destination: string;
  readonly state: 'active' | 'failing' | 'paused';
  readonly pausedAt: number | null;
  /** Null until a gateway has run it. */
  readonly startedAt: number | null;
  readonly failingTenants: number;
}

export interface TenantExportView extends ExportProgressView {
  readonly tenant: string;
  readonly settings: ExportSettings;
  readonly destination: string;
  readonly state: 'active' | 'failing' | 'paused';
  /** Attempts since the last success. */
  readonly failures: number;
  readonly nextAttemptAt: number | null;
}

/** Tenants whose waiting records are counted for a list: each is a query in a database of its own. */
const MAX_COUNTED = 50;
const COUNTED_AT_ONCE = 4;
const NOTHING: Waiting = { records: 0, isMore: false, oldestAt: null };
/** Shorter ones would also replace words. */
const SECRET_LENGTH = 6;

/** Shows, tests, pauses and rewinds the exports of the configuration. */
export class ExportControl {
  constructor(private readonly options: ExportControlOptions) {}

  /** @returns all exports */
  async list(): Promise<ExportView[]> {
    const heads = await exportHeads(this.options.control);
    const views: ExportView[] = [];
    for (const settings of this.options.settings()) {
      views.push(await this.#view(settings, heads.get(cursorId(settings))));
    }
    return views;
  }

  /** @throws GatewayError `not_found` */
  async get(id: string): Promise<ExportView> {
    const settings = this.#settings(id);
    const heads = await exportHeads(this.options.control);
    return this.#view(settings, heads.get(cursorId(settings)));
  }

  /**
   * @param after id of the tenant before the first one
   * @returns the progress of an export for some tenants, by id
   * @throws GatewayError `not_found`
   */
  async tenants(id: string, after: string | undefined, limit: number): Promise<TenantExportView[]> {
    const settings = this.#settings(id);
    const tenants = this.#tenantsOf(settings)
      .filter((tenant) => after === undefined || tenant > after)
      .slice(0, limit);
    return this.#tenantViews(settings, tenants);
  }

  /** @returns the exports that send records of a tenant */
  async ofTenant(tenant: string): Promise<TenantExportView[]> {
    const views: TenantExportView[] = [];
    for (const settings of this.options.settings()) {
      if (settings.tenants.length > 0 && !settings.tenants.includes(tenant)) continue;
      views.push(...(await this.#tenantViews(settings, [tenant])));
    }
    return views;
  }

  /** Sends a record of a tenant named `test`, without usage. @throws GatewayError `not_found` */
  async test(id: string, signal: AbortSignal): Promise<SinkTest> {
    const settings = this.#settings(id);
    const { sinkOf, clock } = this.options;
    const shown = (text: string | null) => (text === null ? null : this.#shown(text, settings));
    try {
      const sink = sinkOf(settings);
      const result = await testSink(sink, settings.source, () => clock.wallTime(), signal);
      return { ...result, error: shown(result.error), detail: shown(result.detail) };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { error: shown(message), detail: null, durationMs: 0 };
    }
  }

  /** @throws GatewayError `not_found` */
  async pause(id: string): Promise<ExportView> {
    const settings = this.#settings(id);
    const now = this.options.clock.wallTime();
    await pauseExport(this.options.control, cursorId(settings), now, now);
    return this.get(id);
  }

  /** Sends what waits, from where it was. @throws GatewayError `not_found` */
  async resume(id: string): Promise<ExportView> {
    const settings = this.#settings(id);
    await pauseExport(this.options.control, cursorId(settings), 0, this.options.clock.wallTime());
    return this.get(id);
  }

  /**
   * Sends records again, or for the first time, from a time.
   * @param from Unix milliseconds
   * @param tenant one of the export's; all of them when absent
   * @throws GatewayError `not_found`; `invalid_request` for a time in the future, or a tenant that is not exported
   */
  async rewind(id: string, from: number, tenant: string | undefined): Promise<ExportView> {
    const { control, clock } = this.options;
    const settings = this.#settings(id);
    const now = clock.wallTime();
    const invalid = (param: string, message: string) =>
      new GatewayError('invalid_request', message, { param });
    if (from > now) throw invalid('from', 'The time "from" must be in the past.');
    const all = this.#tenantsOf(settings);
    if (tenant !== undefined && !all.includes(tenant)) {
      throw invalid('tenant', `The export "${id}" has no tenant "${tenant}" in this region.`);
    }
    await rewindExport(control, cursorId(settings), tenant === undefined ? all : [tenant], from, now);
    return this.get(id);
  }

  #settings(id: string): ExportSettings {
    const settings = this.options.settings().find((one) => one.id === id);
    if (!settings) throw new GatewayError('not_found', 'There is no such export in the configuration.');
    return settings;
  }

  #tenantsOf({ tenants }: ExportSettings): string[] {
    return this.options
      .tenants()
      .filter((tenant) => tenants.length === 0 || tenants.includes(tenant))
      .sort();
  }

  async #view(settings: ExportSettings, head: ExportCursorRow | undefined): Promise<ExportView> {
    const cursors = await exportCursors(this.options.control, cursorId(settings));
    const tenants = this.#tenantsOf(settings);
    const rows = tenants.flatMap((tenant) => cursors.get(tenant) ?? []);
    const failing = rows.filter(({ failures }) => failures > 0).sort((a, b) => b.updated_at - a.updated_at);
    const counted = [...new Set([...failing.map(({ tenant }) => tenant), ...tenants])].slice(0, MAX_COUNTED);
    const waiting = await this.#waitingOf(settings, head, cursors, counted);
    const fault = this.#faultOf(settings);
    const isFailing = failing.length > 0 || fault !== null;
    const sum = (of: (row: ExportCursorRow) => number) => rows.reduce((total, row) => total + of(row), 0);
    return {
      ...{ settings, destination: destinationOf(settings), state: stateOf(head, isFailing) },
      ...{ pausedAt: timeOf(head?.paused_at), startedAt: timeOf(head?.started_at) },
      ...{
        failingTenants: failing.length,
        sent: sum(({ sent }) => sent),
        dropped: sum(({ dropped }) => dropped),
      },
      lastSentAt: timeOf(rows.reduce((latest, { sent_at }) => Math.max(latest, sent_at), 0)),
      error: fault ?? this.#errorOf(settings, failing[0]),
      waiting: {
        records: waiting.reduce((total, { records }) => total + records, 0),
        isMore: counted.length < tenants.length || waiting.some(({ isMore }) => isMore),
        oldestAt: earliest(waiting.map(({ oldestAt }) => oldestAt)),
      },
    };
  }

  async #tenantViews(settings: ExportSettings, tenants: readonly string[]): Promise<TenantExportView[]> {
    const { control } = this.options;
    const id = cursorId(settings);
    const [heads, cursors] = await Promise.all([exportHeads(control), exportCursors(control, id)]);
    const head = heads.get(id);
    const waiting = await this.#waitingOf(settings, head, cursors, tenants);
    return tenants.map((tenant, index) => {
      const row = cursors.get(tenant);
      const failures = row?.failures ?? 0;
      return {
        ...{ tenant, settings, destination: destinationOf(settings), failures },
        ...{ state: stateOf(head, failures > 0), sent: row?.sent ?? 0, dropped: row?.dropped ?? 0 },
        ...{ lastSentAt: timeOf(row?.sent_at), nextAttemptAt: timeOf(row?.next_at) },
        error: this.#errorOf(settings, row),
        waiting: waiting[index] ?? NOTHING,
      };
    });
  }

  /** @returns what waits for each of the tenants */
  async #waitingOf(
    { source }: ExportSettings,
    head: ExportCursorRow | undefined,
    cursors: ReadonlyMap<string, ExportCursorRow>,
    tenants: readonly string[],
  ): Promise<Waiting[]> {
    if (!head) return tenants.map(() => NOTHING);
    const all: Waiting[] = [];
    for (let at = 0; at < tenants.length; at += COUNTED_AT_ONCE) {
      const some = tenants.slice(at, at + COUNTED_AT_ONCE).map(async (tenant) => {
        const row = cursors.get(tenant);
        const since = row?.started_at ?? head.started_at;
        try {
          const from = row ?? { sequence: 0, line: 0 };
          return waitingOf(await this.options.sources[source].waiting(tenant, from, since));
        } catch {
          // Its database is away, or it was deleted: the others are still shown.
          return { ...NOTHING, isMore: true };
        }
      });
      all.push(...(await Promise.all(some)));
    }
    return all;
  }

  /** @returns why it cannot run as it is configured, for any tenant */
  #faultOf(settings: ExportSettings): ExportProgressView['error'] {
    try {
      this.options.sinkOf(settings);
      return null;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { message: this.#shown(message, settings), at: this.options.clock.wallTime(), tenant: '' };
    }
  }

  #errorOf(settings: ExportSettings, row: ExportCursorRow | undefined) {
    if (!row || row.error === '') return null;
    return { message: this.#shown(row.error, settings), at: row.updated_at, tenant: row.tenant };
  }

  /** Receivers may repeat what they were sent. */
  #shown(text: string, settings: ExportSettings): string {
    const { secret, secret_access_key, headers } = settings;
    let shown = text;
    for (const value of [secret, secret_access_key, ...Object.values(headers)]) {
      if (value !== null && value.length >= SECRET_LENGTH) shown = shown.replaceAll(value, '[SECRET]');
    }
    return this.options.redact(shown);
  }
}

/** @returns where records go, without what may be a secret */
function destinationOf({ type, to, url }: ExportSettings): string {
  if (type === 'files') return to ?? '';
  return url !== null && URL.canParse(url) ? new URL(url).origin : '';
}

function stateOf(head: ExportCursorRow | undefined, isFailing: boolean): ExportView['state'] {
  if (head && head.paused_at > 0) return 'paused';
  return isFailing ? 'failing' : 'active';
}

function waitingOf({ count, isMore, oldestAt }: WaitingRecords): Waiting {
  return { records: count, isMore, oldestAt: oldestAt ?? null };
}

function earliest(times: readonly (number | null)[]): number | null {
  const known = times.filter((time) => time !== null);
  return known.length === 0 ? null : Math.min(...known);
}

function timeOf(time: number | undefined): number | null {
  return time === undefined || time === 0 ? null : time;
}
