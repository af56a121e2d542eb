import { Connection, type LoadRequest } from './connection.ts';
import type { Endpoint } from './protocol.ts';

interface Waiting {
  readonly request: Uint8Array;
  readonly pending: LoadRequest;
}

/** Keep-alive connections to one endpoint, at most `limit`; requests beyond it wait in order. */
export class ConnectionPool {
  private readonly all = new Set<Connection>();
  private readonly idle: Connection[] = [];
  private readonly waiting: Waiting[] = [];
  private connecting = 0;
  private closed = false;

  constructor(
    private readonly to: Endpoint,
    private readonly limit: number,
  ) {}

  send(request: Uint8Array, pending: LoadRequest): void {
    const free = this.idle.pop();
    if (free) {
      free.send(request, pending);
      return;
    }
    this.waiting.push({ request, pending });
    if (this.all.size + this.connecting < this.limit) this.connect();
  }

  /** Closes every connection; requests under way end with an error. */
  close(): void {
    this.closed = true;
    for (const { pending } of this.waiting.splice(0)) pending.onDone(0, 'closed by the client');
    for (const connection of [...this.all]) connection.close();
  }

  private connect(): void {
    this.connecting++;
    Connection.connect(
      this.to,
      (connection) => this.serve(connection),
      (connection) => this.forget(connection),
    ).then(
      (connection) => {
        this.connecting--;
        this.all.add(connection);
        if (this.closed) connection.close();
        else this.serve(connection);
      },
      (error: unknown) => {
        this.connecting--;
        const reason = error instanceof Error ? error.message : String(error);
        this.waiting.shift()?.pending.onDone(0, `connect: ${reason}`);
        this.refill();
      },
    );
  }

  private serve(connection: Connection): void {
    const next = this.waiting.shift();
    if (next) connection.send(next.request, next.pending);
    else this.idle.push(connection);
  }

  private forget(connection: Connection): void {
    this.all.delete(connection);
    const at = this.idle.indexOf(connection);
    if (at >= 0) this.idle.splice(at, 1);
    this.refill();
  }

  private refill(): void {
    if (this.waiting.length > this.connecting && this.all.size + this.connecting < this.limit) this.connect();
  }
}
