import type { ByteLedger, LedgerEntry } from './byte-ledger.ts';
import type { Client } from './connection-table.ts';
import type { ServerLimitName } from './server-limits.ts';

/** What the memory of a connection needs to know of it. */
export interface MemoryUser {
  /** The account of the current request. */
  readonly account: string | undefined;
  /** Seconds for which its client has been slower than it must be. */
  readonly stalledSeconds: number;
}

/**
 * What the source of a stream holds while its client has stalled: a read of the upstream's socket, the events in it, and the
 * text that is counted. Bytes.
 */
const STALLED_SOURCE = 1024 * 1024;

/** The bytes that the server keeps for one connection. */
export class ConnectionMemory implements LedgerEntry {
  unsentBytes = 0;
  unsentHolder: LedgerEntry['unsentHolder'];
  /** Bytes of an incomplete head, and of the next requests. */
  #input = 0;
  /** Bytes that the source of a stalled stream holds. */
  #source = 0;

  constructor(
    readonly client: Client,
    private readonly user: MemoryUser,
    private readonly ledger: ByteLedger,
    private readonly onLimit: (limit: ServerLimitName) => void,
  ) {}

  get account(): string | undefined {
    return this.user.account;
  }

  get stalledSeconds(): number {
    return this.user.stalledSeconds;
  }

  /**
   * Counts bytes of a body until `releaseBody`.
   * @param total bytes of the body so far, these included
   * @param unread whether the handler has not asked for the body
   * @returns whether they may be kept
   */
  keepBody(bytes: number, total: number, unread: boolean): boolean {
    if (this.ledger.keep(this.client, bytes, total, unread)) return true;
    this.onLimit('request_memory');
    return false;
  }

  /** The handler has asked for a body of which these bytes have arrived: they no longer count as unread. */
  bodyAsked(bytes: number): void {
    this.client.unreadBytes -= bytes;
  }

  /** @param unread whether the handler has never asked for the body */
  releaseBody(bytes: number, unread: boolean): void {
    this.ledger.release(this.client, bytes, unread);
  }

  /**
   * Counts what is kept of an incomplete head and of the next requests.
   * @param bytes all of them
   * @returns whether they may be kept
   */
  keepInput(bytes: number): boolean {
    const change = bytes - this.#input;
    if (change === 0) return true;
    if (change < 0) this.ledger.release(this.client, -change, true);
    else if (!this.keepBody(change, bytes, true)) return false;
    this.#input = bytes;
    return true;
  }

  /** @param stalled whether a stream is being sent whose client takes nothing */
  streamStalled(stalled: boolean): void {
    const bytes = stalled ? STALLED_SOURCE : 0;
    const change = bytes - this.#source;
    if (change === 0) return;
    this.#source = bytes;
    this.backlogChanged(change);
  }

  /** The bytes of responses that wait because the client takes no more have changed. */
  readonly backlogChanged = (change: number): void => {
    this.unsentBytes += change;
    this.ledger.unsentChanged(this, change);
  };
}
