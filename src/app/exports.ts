import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { lazy } from '../core/lazy.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { ExportSettings } from '../exports/create-sink.ts';
import type { ExportControl } from '../exports/export-control.ts';
import type { Export, ExportRun } from '../exports/export-run.ts';
import type { OpenedExports } from '../exports/open-exports.ts';
import { guardedPost } from '../platform/guarded-post.ts';
import { genAiProviderName } from '../providers/gen-ai-provider-name.ts';
import type { Provider } from '../providers/types.ts';
import { failureTextRedactor } from '../redaction/failure-text.ts';
import type { AuditQueue } from '../tenancy/audit-queue.ts';
import type { RequestLogKeys } from '../tenancy/request-log-keys.ts';
import { ExportFailures } from './export-failures.ts';
import { homeTenants, SYSTEM_ACTOR } from './first-start.ts';
import type { Stores } from './stores.ts';

export interface ExportJobsOptions {
  readonly stores: Pick<Stores, 'control' | 'databases' | 'access'>;
  readonly requestLogKeys: Pick<RequestLogKeys, 'all'>;
  readonly config: () => Config;
  readonly providers: () => readonly Provider[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly events: EventSink;
  /** Names this process, and no other. */
  readonly instance: string;
  readonly auditQueue: Pick<AuditQueue, 'record'>;
}

/** Allows receivers within the network of the gateway, as for webhooks. */
const ALLOW_PRIVATE_VARIABLE = 'WEIR_WEBHOOKS_ALLOW_PRIVATE';

/** The code of exports, which is loaded with its first use: starts do not wait for it. */
interface Parts {
  readonly open: (settings: readonly ExportSettings[], beginsAt: number) => OpenedExports;
  readonly run: ExportRun;
  readonly control: ExportControl;
}

interface Opened {
  readonly settings: Config['exports'];
  readonly exports: readonly Export[];
  readonly run: ExportRun;
}

/** Runs the exports of the configuration, each on its own: one that waits for its receiver delays no other. */
export class ExportJobs {
  readonly #end = new AbortController();
  readonly #visits = new Map<string, Promise<void>>();
  /** When exports were visited last, by id; only configured ones. */
  readonly #visitedAt = new Map<string, number>();
  readonly #parts: () => Parts | Promise<Parts>;
  readonly #failures: ExportFailures;
  #opened: Opened | undefined;
  /** Requests may arrive before the first visit. */
  #beginsAt: number;

  constructor(private readonly options: ExportJobsOptions) {
    this.#beginsAt = options.clock.wallTime();
    this.#failures = new ExportFailures(options.events);
    this.#parts = lazy(() => partsOf(options));
  }

  /** Shows and controls exports. */
  readonly control = async (): Promise<ExportControl> => (await this.#parts()).control;

  /** Exports that fail, as of their last visit by this gateway. */
  get failing(): ReadonlyMap<string, ReadonlyMap<string, string>> {
    return this.#failures.all;
  }

  /** Starts the exports that are due; to be called every second. */
  async run(): Promise<void> {
    const { config, clock } = this.options;
    const settings = config().exports;
    if (settings.length === 0 && !this.#opened) {
      this.#beginsAt = clock.wallTime();
      return;
    }
    const { exports, run } = await this.#open(settings);
    for (const one of exports) {
      const last = this.#visitedAt.get(one.id);
      if (this.#end.signal.aborted || this.#visits.has(one.id)) continue;
      if (last !== undefined && clock.now() - last < one.every) continue;
      this.#visitedAt.set(one.id, clock.now());
      const visit = this.#visit(run, one).finally(() => this.#visits.delete(one.id));
      this.#visits.set(one.id, visit);
    }
  }

  /** Resolves when nothing is being sent. */
  async idle(): Promise<void> {
    await Promise.all(this.#visits.values());
  }

  /** Cancels requests under way, whose records are sent again, and ends. */
  async close(): Promise<void> {
    this.#end.abort(new Error('the gateway stops'));
    await this.idle();
  }

  async #visit(run: ExportRun, one: Export): Promise<void> {
    try {
      this.#failures.visited(one.id, await run.visit(one, this.#end.signal));
    } catch (error) {
      this.#failures.threw(one.id, error);
    }
  }

  async #open(settings: Config['exports']): Promise<Opened> {
    if (this.#opened?.settings === settings) return this.#opened;
    const { open, run } = await this.#parts();
    const beginsAt = this.#opened ? this.options.clock.wallTime() : this.#beginsAt;
    const { exports, faults } = open(settings, beginsAt);
    for (const id of this.#visitedAt.keys()) {
      if (!settings.some((one) => one.id === id)) this.#visitedAt.delete(id);
    }
    this.#failures.keep(exports.map(({ id }) => id));
    for (const [id, error] of faults) this.#failures.unopened(id, error);
    this.#opened = { settings, exports, run };
    return this.#opened;
  }
}

async function partsOf({
  stores,
  requestLogKeys,
  config,
  providers,
  env,
  clock,
  events,
  instance,
  auditQueue,
}: ExportJobsOptions): Promise<Parts> {
  const [
    { createSink },
    { ExportRun: Run },
    { ExportControl: Control },
    { UsageSource },
    logSource,
    opening,
  ] = await Promise.all([
    import('../exports/create-sink.ts'),
    import('../exports/export-run.ts'),
    import('../exports/export-control.ts'),
    import('../exports/usage-source.ts'),
    import('../exports/request-log-source.ts'),
    import('../exports/open-exports.ts'),
  ]);
  const { control, databases, access } = stores;
  const tenants = () => homeTenants(access, config().region).map(({ id }) => id);
  const services = {
    ...{ env, post: guardedPost, allowPrivate: env[ALLOW_PRIVATE_VARIABLE] === '1' },
    now: () => clock.wallTime(),
    providerName: (id: string) => {
      const provider = providers().find((one) => one.id === id);
      return provider ? genAiProviderName(provider) : id;
    },
  };
  const sinkOf = (settings: ExportSettings) => createSink(settings, services);
  const sources = {
    usage: new UsageSource(databases),
    request_log: new logSource.RequestLogSource({
      ...{ databases, keys: requestLogKeys },
      isLogged: (tenant) => access.tenant(tenant)?.document.request_log !== undefined,
    }),
  };
  return {
    open: (settings, beginsAt) => opening.openExports(settings, { sources, sinkOf, beginsAt }),
    run: new Run({
      ...{ control, clock, events, owner: instance, random: Math.random, tenants },
      onBegin: async ({ id, source }, tenant) => {
        // Prompts and responses leave the installation: the tenant can see it.
        if (source !== sources.request_log) return;
        await auditQueue.record(tenant, SYSTEM_ACTOR, 'request_log.export', `export:${id}`);
      },
    }),
    control: new Control({
      ...{ control, sources, clock, settings: () => config().exports, tenants, sinkOf },
      redact: failureTextRedactor(),
    }),
  };
}
