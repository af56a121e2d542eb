import type { UsageReport, UsageSegment } from '../../metering/usage-writer.ts';
import type { MetricsFormat } from '../../observability/openmetrics.ts';
import type { LoggedSummary } from '../../storage/logged-request.ts';
import type { RemoteResult, RemoteStatement } from '../../storage/sql/remote-server.ts';
import type { PeriodCountUpdate } from '../../storage/sql/store-period-counts.ts';

/** What a parent process and its workers call of each other. */

/** The variable that marks the process of a worker. */
export const WORKER_VARIABLE = 'WEIR_WORKER';

/** Changes with each change of these functions: after an update, a worker may be newer than its parent. */
export const PROTOCOL = 2;

/** What a worker needs to know of its installation. */
export interface WorkerStart {
  readonly number: number;
  readonly count: number;
  /** That all workers listen on. */
  readonly port: number;
  /** The same for gRPC; null for none. */
  readonly grpcPort: number | null;
  /** Path of the Unix socket at which the parent serves what workers do not. */
  readonly parentSocket: string;
}

/** A request that the parent asks a worker to handle. */
export interface RelayedRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
  readonly remoteAddress: string;
}

export interface RelayedResponse {
  readonly status: number;
  readonly body: string;
}

/** A completed request, for live streams. */
export interface LiveRequest {
  readonly summary: LoggedSummary;
  readonly costPico: number | undefined;
}

/** Functions of the parent. */
export type ParentFunctions = {
  readonly start: { readonly input: { readonly protocol: number }; readonly output: WorkerStart };
  /** Resolves when it is this worker's turn to listen: the kernel numbers sockets in the order of their start. */
  readonly listenTurn: { readonly input: undefined; readonly output: undefined };
  readonly listening: { readonly input: { readonly ok: boolean }; readonly output: undefined };
  readonly ready: { readonly input: { readonly boot: string }; readonly output: undefined };
  readonly runSql: {
    readonly input: RemoteStatement & { readonly server: string };
    readonly output: RemoteResult;
  };
  readonly beginSql: {
    readonly input: { readonly server: string; readonly database: string };
    readonly output: number;
  };
  readonly endSql: {
    readonly input: { readonly transaction: number; readonly commits: boolean };
    readonly output: undefined;
  };
  readonly writeUsage: { readonly input: readonly UsageSegment[]; readonly output: UsageReport };
  readonly saveCounts: { readonly input: PeriodCountUpdate; readonly output: undefined };
  /** Whether writes of this worker to the local disk fail. */
  readonly writesFail: { readonly input: boolean; readonly output: undefined };
  /** The last values of a worker's metrics, before it ends. */
  readonly lastMetrics: { readonly input: string; readonly output: undefined };
  readonly live: { readonly input: readonly LiveRequest[]; readonly output: undefined };
};

/** Functions of a worker. */
export type WorkerFunctions = {
  readonly metrics: { readonly input: MetricsFormat; readonly output: string };
  readonly handle: { readonly input: RelayedRequest; readonly output: RelayedResponse };
  /** Reads what was changed in the databases. */
  readonly refresh: { readonly input: undefined; readonly output: undefined };
  readonly inFlight: { readonly input: undefined; readonly output: number };
  /** New connections go to some sockets of the port only. */
  readonly steer: { readonly input: readonly number[]; readonly output: boolean };
  readonly spread: { readonly input: undefined; readonly output: boolean };
  /** Takes no new connections; ends when the open ones have. */
  readonly leave: { readonly input: undefined; readonly output: undefined };
  /** Rejects new requests and ends when those in flight have ended. */
  readonly stop: { readonly input: undefined; readonly output: undefined };
  /** Whether completed requests are sent to live streams. */
  readonly watch: { readonly input: boolean; readonly output: undefined };
};
