import { type Job, reply } from '../load/protocol.ts';
import { type Child, type Children, withDeadline } from './children.ts';

interface Pending {
  readonly id: number;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** The bench's hold on its load process. */
export class LoadClient {
  private nextId = 1;
  private pending: Pending | undefined;

  private constructor(private child: Child | undefined) {}

  static async start(children: Children, command: readonly [string, ...string[]]): Promise<LoadClient> {
    const client = new LoadClient(undefined);
    const child = await children.start({ name: 'load', command, onLine: (line) => client.receive(line) });
    client.child = child;
    child.ended.then((how) => {
      client.pending?.reject(new Error(`load client ended (${how}): ${child.logTail()}`));
    });
    return client;
  }

  /**
   * Runs one job; jobs don't overlap.
   * @param schema the job's entry in `results`
   * @throws when it takes longer than `limitMs` or the load process fails
   */
  async run<R>(job: Job, schema: { parse(value: unknown): R }, limitMs: number): Promise<R> {
    if (this.pending) throw new Error('the load client is busy');
    const id = this.nextId++;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.pending = { id, resolve, reject };
    });
    this.running.write(JSON.stringify({ id, job }));
    try {
      return schema.parse(await withDeadline(answer, limitMs, `the load client's ${job.type} job`));
    } finally {
      this.pending = undefined;
    }
  }

  private get running(): Child {
    if (!this.child) throw new Error('the load client is not started');
    return this.child;
  }

  private receive(line: string): void {
    const said = reply.parse(JSON.parse(line));
    if (said.id !== this.pending?.id) return;
    if (said.error !== undefined) this.pending.reject(new Error(`load client: ${said.error}`));
    else this.pending.resolve(said.result);
  }
}
