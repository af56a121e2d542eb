import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../observability/log.ts';
import { CONTROL_DATABASE } from '../../storage/sql/database-server.ts';
import { SqlSessions, type UseDatabase } from '../../storage/sql/sql-sessions.ts';
import type { Gateway } from '../gateway.ts';
import { ListenTurns } from './listen-turns.ts';
import type { WorkerHost } from './worker.ts';

export interface ParentHostOptions {
  /** The gateway of this process, which is constructed before a worker starts. */
  readonly gateway: () => Gateway;
  readonly clock: Clock;
  readonly port: number;
  /** Null where gRPC is off. */
  readonly grpcPort: number | null;
  readonly parentSocket: string;
  readonly log: Pick<Log, 'relay'>;
}

/** @returns what the parent does for its workers, with the databases of its own gateway */
export function parentHost(options: ParentHostOptions): WorkerHost {
  const { gateway, clock, port, grpcPort, parentSocket, log } = options;
  const turns = new ListenTurns();
  return {
    port,
    grpcPort,
    parentSocket,
    sqlSessions: (server) => new SqlSessions({ clock, use: useDatabase(gateway().stores, server) }),
    writeUsage: (segments) => gateway().usage.store.write(segments),
    saveCounts: (update) => gateway().usage.store.saveCounts(update),
    completed: (requests) => {
      const { live } = gateway();
      for (const { summary, costPico } of requests) live.completedElsewhere(summary, costPico);
    },
    printed: (lines) => log.relay(lines),
    listenTurn: () => turns.next(),
  };
}

/** The connections of this process: a second one would wait for its transactions, and block the thread. */
function useDatabase({ control, databases }: Gateway['stores'], server: string): UseDatabase {
  return (database, work) =>
    server === '' && database === CONTROL_DATABASE ? work(control) : databases.at({ server, database }, work);
}
