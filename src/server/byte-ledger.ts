import type { Client } from './connection-table.ts';
import {
  ACCOUNT_SHARE,
  MAX_UNREAD_PER_CLIENT,
  MAX_UNSENT_PER_CLIENT,
  type ServerLimits,
} from './server-limits.ts';

/** Counts the responses of one account together, such as those of a tenant. Exists while some of them wait. */
class Account {
  unsentBytes = 0;

  constructor(readonly id: string) {}
}

/** Whose responses are counted together. */
type UnsentHolder = Client | Account;

/** A connection as the ledger sees it. */
export interface LedgerEntry {
  readonly client: Client;
  /** The account of the current request. */
  readonly account: string | undefined;
  readonly unsentBytes: number;
  /** Seconds for which its client has been slower than it must be. */
  readonly stalledSeconds: number;
  /** Where its bytes are counted while some wait. Maintained by the ledger. */
  unsentHolder: UnsentHolder | undefined;
}

/** Bodies up to this size may use all of the memory, larger ones leave an eighth of it: large bodies must not starve small ones. */
const SMALL_BODY = 64 * 1024;
const LARGE_SHARE = 7 / 8;
/** What is over a cap is trimmed to this part of it, so that the next byte does not begin the search again. */
const TRIMMED_SHARE = 7 / 8;

/** Counts the bytes that a server keeps for its clients, as integers: of requests, and of responses that clients do not take. */
export class ByteLedger {
  readonly #limits: () => ServerLimits;
  readonly #onExcess: () => void;
  /** Accounts whose responses wait for slow clients; others are not kept. */
  readonly #accounts = new Map<string, Account>();
  #kept = 0;
  #unsent = 0;

  /** @param onExcess called when more responses wait than a cap allows: the owner closes `victims` soon, and not from inside this call */
  constructor(limits: () => ServerLimits, onExcess: () => void) {
    this.#limits = limits;
    this.#onExcess = onExcess;
  }

  /** Bytes of requests. */
  get keptBytes(): number {
    return this.#kept;
  }

  /** Bytes of responses that wait for their clients. */
  get unsentBytes(): number {
    return this.#unsent;
  }

  /** Accounts with responses that wait. */
  get accounts(): number {
    return this.#accounts.size;
  }

  /**
   * Counts bytes of a request until `release`.
   * @param total bytes of the body or head so far, these included
   * @param unread whether no handler has asked for them
   * @returns whether they may be kept
   */
  keep(client: Client, bytes: number, total: number, unread: boolean): boolean {
    const { requestMemory } = this.#limits();
    const limit = total > SMALL_BODY ? requestMemory * LARGE_SHARE : requestMemory;
    if (this.#kept + bytes > limit) return false;
    if (unread) {
      if (client.unreadBytes + bytes > MAX_UNREAD_PER_CLIENT && !client.isProxy) return false;
      client.unreadBytes += bytes;
    }
    this.#kept += bytes;
    return true;
  }

  release(client: Client, bytes: number, unread: boolean): void {
    this.#kept -= bytes;
    if (unread) client.unreadBytes -= bytes;
  }

  /** The bytes that wait for the client of a connection have changed. */
  unsentChanged(entry: LedgerEntry, change: number): void {
    const holder = entry.unsentHolder ?? this.#holderOf(entry);
    entry.unsentHolder = entry.unsentBytes > 0 ? holder : undefined;
    holder.unsentBytes += change;
    this.#unsent += change;
    if (holder.unsentBytes === 0 && holder instanceof Account) this.#accounts.delete(holder.id);
    if (change > 0 && (this.#unsent > this.#limits().requestMemory || this.#isOver(holder))) this.#onExcess();
  }

  /**
   * The connections to close so that responses wait within the caps: those whose clients have stalled longest, of each holder
   * over its cap and, while all are over theirs, of all.
   */
  victims<Entry extends LedgerEntry>(connections: readonly Entry[]): Entry[] {
    const { requestMemory } = this.#limits();
    const waiting = connections
      .filter(({ unsentBytes }) => unsentBytes > 0)
      .sort((a, b) => b.stalledSeconds - a.stalledSeconds || b.unsentBytes - a.unsentBytes);
    const trimmed = this.#unsent > requestMemory ? requestMemory * TRIMMED_SHARE : Number.POSITIVE_INFINITY;
    let total = this.#unsent;
    const sums = new Map<UnsentHolder, number>();
    return waiting.filter(({ unsentHolder: holder, unsentBytes }) => {
      if (holder === undefined) return false;
      const sum = sums.get(holder) ?? holder.unsentBytes;
      // One response of each holder may be of any size.
      const isOver = this.#isOver(holder) && sum > this.#capOf(holder) * TRIMMED_SHARE && sum > unsentBytes;
      if (!isOver && total <= trimmed) return false;
      sums.set(holder, sum - unsentBytes);
      total -= unsentBytes;
      return true;
    });
  }

  #holderOf({ account: id, client }: LedgerEntry): UnsentHolder {
    if (id === undefined) return client;
    const account = this.#accounts.get(id) ?? new Account(id);
    this.#accounts.set(id, account);
    return account;
  }

  #isOver(holder: UnsentHolder): boolean {
    return holder.unsentBytes > this.#capOf(holder);
  }

  #capOf(holder: UnsentHolder): number {
    if (holder instanceof Account) return this.#limits().requestMemory * ACCOUNT_SHARE;
    return holder.isProxy ? Number.POSITIVE_INFINITY : MAX_UNSENT_PER_CLIENT;
  }
}
