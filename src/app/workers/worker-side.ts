import type { HttpRequest, HttpResponse } from '../../core/http.ts';
import type { ParentLink } from '../../platform/worker-process.ts';
import type { RemoteSql } from '../../storage/sql/remote-server.ts';
import type { UsageStore } from '../usage.ts';
import { forwardTo } from './forward.ts';
import { type Handlers, ProcessChannel } from './process-channel.ts';
import { type ParentFunctions, PROTOCOL, type WorkerFunctions, type WorkerStart } from './protocol.ts';

export type WorkerHandlers = Handlers<WorkerFunctions>;

/** The parent, as a worker sees it. */
export class WorkerSide {
  readonly #channel: ProcessChannel<ParentFunctions, WorkerFunctions>;

  private constructor(
    channel: ProcessChannel<ParentFunctions, WorkerFunctions>,
    readonly start: WorkerStart,
    /** Resolves when the parent has ended. */
    readonly parentEnded: Promise<void>,
  ) {
    this.#channel = channel;
    this.forward = forwardTo(start.parentSocket);
  }

  /**
   * Introduces this process to its parent.
   * @param handlers what the parent may call
   * @throws RemoteError when the parent is of another version
   */
  static async connect(link: ParentLink, handlers: WorkerHandlers): Promise<WorkerSide> {
    const channel = new ProcessChannel<ParentFunctions, WorkerFunctions>(
      (message) => link.send(message),
      handlers,
    );
    const ended = Promise.withResolvers<void>();
    link.listen(
      (message) => channel.received(message),
      () => {
        channel.close('the parent process has ended');
        ended.resolve();
      },
    );
    const start = await channel.call('start', { protocol: PROTOCOL });
    return new WorkerSide(channel, start, ended.promise);
  }

  get call(): ProcessChannel<ParentFunctions, WorkerFunctions>['call'] {
    return this.#channel.call.bind(this.#channel);
  }

  /** Sends a request to the parent, which serves it. */
  readonly forward: (request: HttpRequest) => Promise<HttpResponse>;

  /** The databases of a server, whose files the parent writes. */
  readonly remote = (server: string): RemoteSql => ({
    run: (statement) => this.#channel.call('runSql', { server, ...statement }),
    begin: (database) => this.#channel.call('beginSql', { server, database }),
    end: async (transaction, commits) => {
      await this.#channel.call('endSql', { transaction, commits });
    },
  });

  /** The parent stores the files of this worker's journal under their names, so that a repetition counts once. */
  readonly usage: UsageStore = {
    write: (segments) => this.#channel.call('writeUsage', segments),
    saveCounts: async (update) => {
      await this.#channel.call('saveCounts', update);
    },
    close: async () => undefined,
  };

  /** Runs `listen` when no other worker does. @returns what it returns */
  async listenInTurn<T>(listen: () => Promise<T>): Promise<T> {
    await this.#channel.call('listenTurn', undefined);
    let ok = false;
    try {
      const listening = await listen();
      ok = true;
      return listening;
    } finally {
      await this.#channel.call('listening', { ok });
    }
  }
}
