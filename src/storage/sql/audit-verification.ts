import type { QueryExecutorProvider } from 'kysely';
import { type AuditHead, entryHash, readChain, readHead, readStart } from './audit-chain.ts';
import type { AuditRow } from './tenant-tables.ts';

/**
 * What is wrong with a chain:
 * - `changed`: an entry is not the one that was written there: it, its place or its hash was changed
 * - `missing`: entries were removed
 * - `order`: an entry is not in its place
 * - `cut`: the newest entries were removed
 * - `head`: the recorded end is not that of the last entry
 * - `anchor`: the chain is not the one whose head was logged: it was written again
 */
export type AuditFaultKind = 'changed' | 'missing' | 'order' | 'cut' | 'head' | 'anchor';

export interface AuditFault {
  readonly kind: AuditFaultKind;
  /** The sequence at which it is found; of several entries, the first one. */
  readonly sequence: number;
  /** The last one of several entries. */
  readonly lastSequence?: number;
  /** Id of the entry. */
  readonly id?: string;
}

export interface AuditReport {
  /** Number of entries that were read. */
  readonly entries: number;
  /** The place after which the chain begins; entries before it were deleted by retention. */
  readonly start: AuditHead;
  /** The last entry that was read. */
  readonly end: AuditHead;
  /** The first thousand. */
  readonly faults: readonly AuditFault[];
}

const MAX_FAULTS = 1_000;

/** Follows a chain entry by entry. A fault does not hide those after it. */
export class AuditVerifier {
  readonly #faults: AuditFault[] = [];
  #last: AuditHead;
  #entries = 0;

  /**
   * @param start where the chain begins
   * @param anchor a head that was recorded elsewhere
   */
  constructor(
    private readonly start: AuditHead,
    private readonly anchor?: AuditHead | undefined,
  ) {
    this.#last = start;
  }

  /** Number of entries that were read. */
  get entries(): number {
    return this.#entries;
  }

  add(row: AuditRow): void {
    const { sequence, hash, id } = row;
    this.#entries += 1;
    const expected = this.#last.sequence + 1;
    if (sequence < expected) {
      // Its place was passed: what follows is compared with the place before.
      this.#fault({ kind: 'order', sequence, id });
      return;
    }
    if (sequence > expected) {
      this.#fault({ kind: 'missing', sequence: expected, lastSequence: sequence - 1 });
      // Without the entry before it, its hash cannot be computed.
    } else if (entryHash(this.#last.hash, sequence, row) !== hash) {
      this.#fault({ kind: 'changed', sequence, id });
    }
    if (this.anchor?.sequence === sequence && this.anchor.hash !== hash) {
      this.#fault({ kind: 'anchor', sequence, id });
    }
    this.#last = { sequence, hash };
  }

  /** @param head the recorded end; undefined where there is none, as in an exported part */
  end(head?: AuditHead): AuditReport {
    const last = this.#last;
    if (head && head.sequence > last.sequence) {
      this.#fault({ kind: 'cut', sequence: last.sequence + 1, lastSequence: head.sequence });
    } else if (head && (head.sequence !== last.sequence || head.hash !== last.hash)) {
      this.#fault({ kind: 'head', sequence: head.sequence });
    }
    if (this.anchor && this.anchor.sequence > last.sequence) {
      this.#fault({ kind: 'anchor', sequence: this.anchor.sequence });
    }
    return { entries: this.#entries, start: this.start, end: last, faults: this.#faults };
  }

  #fault(fault: AuditFault): void {
    if (this.#faults.length < MAX_FAULTS) this.#faults.push(fault);
  }
}

/**
 * Verifies the audit trail of a database.
 * @param anchor a head that was logged, to recognise a trail that was written again as a whole
 * @param afterPage awaited after each page, with the number of entries so far and the sequence of the last one
 * @throws the database's error
 */
export async function verifyTrail(
  db: QueryExecutorProvider,
  anchor?: AuditHead,
  afterPage?: (entries: number, lastSequence: number) => Promise<void>,
): Promise<AuditReport> {
  // Before the entries: those that are written meanwhile are read, too.
  const head = await readHead(db);
  const start = await readStart(db);
  const verifier = new AuditVerifier(start, anchor);
  let last = start.sequence;
  let isPassed = false;
  while (!isPassed) {
    const rows = await readChain(db, last + 1);
    for (const row of rows) {
      isPassed ||= row.sequence > head.sequence;
      if (!isPassed) verifier.add(row);
    }
    if (rows.length === 0) break;
    last = rows.at(-1)?.sequence ?? last;
    await afterPage?.(verifier.entries, last);
  }
  return verifier.end(head);
}

/** @returns a fault in words, with its place: `entry 7 (aud_...) was changed or moved` */
export function describeFault({ kind, sequence, lastSequence = sequence, id = '' }: AuditFault): string {
  const range = lastSequence === sequence ? `entry ${sequence}` : `entries ${sequence} to ${lastSequence}`;
  switch (kind) {
    case 'changed':
      return `${range} (${id}) was changed or moved`;
    case 'missing':
      return `${range} missing`;
    case 'order':
      return `${range} (${id}) is not in its place`;
    case 'cut':
      return `${range} missing at the end`;
    case 'head':
      return `the recorded end of the trail, ${sequence}, is not that of its last entry`;
    case 'anchor':
      return `${range} is not the one that was recorded as the anchor`;
  }
}
