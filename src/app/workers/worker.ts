import type { UsageReport, UsageSegment } from '../../metering/usage-writer.ts';
import type { MetricsFormat } from '../../observability/openmetrics.ts';
import type { StartWorkerProcess, WorkerProcess } from '../../platform/worker-process.ts';
import type { SqlSessions } from '../../storage/sql/sql-sessions.ts';
import type { PeriodCountUpdate } from '../../storage/sql/store-period-counts.ts';
import { type Handlers, ProcessChannel } from './process-channel.ts';
import { type LiveRequest, type ParentFunctions, PROTOCOL, type WorkerFunctions } from './protocol.ts';

/** What the parent does for its workers. */
export interface WorkerHost {
  readonly port: number;
  readonly grpcPort: number | null;
  readonly parentSocket: string;
  /** Runs statements of one worker on the databases of a server. */
  sqlSessions(server: string): SqlSessions;
  writeUsage(segments: readonly UsageSegment[]): Promise<UsageReport>;
  saveCounts(update: PeriodCountUpdate): Promise<void>;
  completed(requests: readonly LiveRequest[]): void;
  /** Receives its standard output. */
  printed(lines: string): void;
  /** Resolves when a worker may begin to listen; the returned function ends its turn. */
  listenTurn(): Promise<() => void>;
}

export interface WorkerOptions {
  readonly number: number;
  readonly count: number;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly start: StartWorkerProcess;
  readonly host: WorkerHost;
  readonly onListening: () => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Called once. */
  readonly onExit: (how: string) => void;
}

/** One process that serves inference, as its parent sees it. */
export class Worker {
  readonly number: number;
  readonly channel: ProcessChannel<WorkerFunctions, ParentFunctions>;
  readonly #process: WorkerProcess;
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #sessions = new Map<string, SqlSessions>();
  /** Which session a transaction belongs to. */
  readonly #transactions = new Map<number, readonly [session: SqlSessions, id: number]>();
  #transactionIds = 0;
  #endTurn: (() => void) | undefined;
  #readyAt: number | undefined;
  /** Names it in the limit store. */
  boot: string | undefined;
  /** The last page of its metrics that was read. */
  lastPage: string | undefined;
  /** Whether its writes to the local disk fail. */
  writesFail = false;
  /** Pages of metrics in a row that it did not deliver in time. */
  missed = 0;
  isExpectedToEnd = false;
  hasEnded = false;

  constructor(private readonly options: WorkerOptions) {
    this.number = options.number;
    this.channel = new ProcessChannel((message) => this.#process.send(message), this.#handlers());
    // The pool that started it may have given up.
    this.#ready.promise.catch(() => undefined);
    this.#process = options.start(
      { command: options.command, env: options.env },
      {
        onMessage: (message) => this.channel.received(message),
        onOutput: (lines) => options.host.printed(lines),
        onExit: (how) => this.#exited(how),
      },
    );
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Resolves when it serves requests; rejects when it ends before. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get isReady(): boolean {
    return this.#readyAt !== undefined && !this.hasEnded;
  }

  get wasReady(): boolean {
    return this.#readyAt !== undefined;
  }

  /** Milliseconds since it was ready; 0 before. */
  get upMs(): number {
    return this.#readyAt === undefined ? 0 : this.options.now() - this.#readyAt;
  }

  /** Resolves when its process has ended. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** @throws ChannelClosedError when it ends */
  async metrics(format: MetricsFormat): Promise<string> {
    const page = await this.channel.call('metrics', format);
    this.lastPage = page;
    return page;
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#process.kill(signal);
  }

  #exited(how: string): void {
    this.hasEnded = true;
    this.#endTurn?.();
    for (const sessions of this.#sessions.values()) sessions.close();
    this.channel.close(`worker ${this.number} ${how}`);
    this.#ready.reject(new Error(`worker ${this.number} ${how} before it was ready`));
    this.#ended.resolve();
    this.options.onExit(how);
  }

  #session(server: string): SqlSessions {
    let session = this.#sessions.get(server);
    if (!session) {
      session = this.options.host.sqlSessions(server);
      this.#sessions.set(server, session);
    }
    return session;
  }

  #handlers(): Handlers<ParentFunctions> {
    const { number, count, host, onListening } = this.options;
    return {
      start: ({ protocol }) => {
        if (protocol !== PROTOCOL) {
          throw new Error('the installed version of Weir does not fit the running one: restart Weir');
        }
        const { port, grpcPort, parentSocket } = host;
        return { number, count, port, grpcPort, parentSocket };
      },
      listenTurn: async () => {
        this.#endTurn = await host.listenTurn();
        if (this.hasEnded) this.#endTurn();
        return undefined;
      },
      listening: ({ ok }) => {
        if (ok) onListening();
        this.#endTurn?.();
        return undefined;
      },
      ready: ({ boot }) => {
        this.boot = boot;
        this.#readyAt = this.options.now();
        this.#ready.resolve();
        return undefined;
      },
      runSql: ({ server, ...statement }) => {
        const known =
          statement.transaction === undefined ? undefined : this.#transaction(statement.transaction);
        const [session, transaction] = known ?? [this.#session(server), undefined];
        return session.run({ ...statement, transaction });
      },
      beginSql: async ({ server, database }) => {
        const session = this.#session(server);
        const id = await session.begin(database);
        this.#transactionIds += 1;
        this.#transactions.set(this.#transactionIds, [session, id]);
        return this.#transactionIds;
      },
      endSql: async ({ transaction, commits }) => {
        const [session, id] = this.#transaction(transaction);
        this.#transactions.delete(transaction);
        await session.end(id, commits);
        return undefined;
      },
      writeUsage: (segments) => host.writeUsage(segments),
      saveCounts: async (update) => {
        await host.saveCounts(update);
        return undefined;
      },
      writesFail: (fail) => {
        this.writesFail = fail;
        return undefined;
      },
      lastMetrics: (page) => {
        this.lastPage = page;
        return undefined;
      },
      live: (requests) => {
        host.completed(requests);
        return undefined;
      },
    };
  }

  #transaction(id: number): readonly [session: SqlSessions, id: number] {
    const found = this.#transactions.get(id);
    if (!found) throw new Error('the transaction has ended');
    return found;
  }
}
