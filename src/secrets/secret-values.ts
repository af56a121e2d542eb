import type { SecretReference } from '../config/secret-reference.ts';
import type { Clock } from '../core/clock.ts';
import type { SecretRead } from './secret-reader.ts';
import type { SecretError } from './secret-store.ts';

/** The state of one reference, without its value. */
export interface SecretStatus {
  readonly reference: SecretReference;
  /** When its value was read last; Unix milliseconds. */
  readonly readAt: number;
  /** Why the latest read failed, so that an older value is in use; undefined when it did not. */
  readonly error: SecretError | undefined;
  /** When reads began to fail; Unix milliseconds. */
  readonly failingSince: number | undefined;
}

interface Kept extends SecretStatus {
  readonly value: string;
}

/** What a round of reads changed. */
export interface SecretChanges {
  /** References whose secret has another value now. */
  readonly changed: readonly SecretReference[];
  /** References whose reads have begun to fail. */
  readonly failed: readonly { readonly reference: SecretReference; readonly error: SecretError }[];
  /** References that can be read again. */
  readonly recovered: readonly SecretReference[];
}

/** The last known value of each reference in use. */
export class SecretValues {
  readonly #kept = new Map<string, Kept>();

  constructor(private readonly clock: Pick<Clock, 'wallTime'>) {}

  /** @returns the values by the text of their reference */
  values(): ReadonlyMap<string, string> {
    return new Map([...this.#kept].map(([text, { value }]) => [text, value]));
  }

  has({ text }: SecretReference): boolean {
    return this.#kept.has(text);
  }

  status(): readonly SecretStatus[] {
    return [...this.#kept.values()].map(({ value: _value, ...status }) => status);
  }

  /** Takes over what was read. A failed read keeps the value that is known. */
  update(reads: readonly SecretRead[]): SecretChanges {
    const now = this.clock.wallTime();
    const changed: SecretReference[] = [];
    const failed: { reference: SecretReference; error: SecretError }[] = [];
    const recovered: SecretReference[] = [];
    for (const read of reads) {
      const { reference } = read;
      const known = this.#kept.get(reference.text);
      if ('error' in read) {
        if (!known) continue;
        if (known.failingSince === undefined) failed.push(read);
        this.#kept.set(reference.text, {
          ...known,
          error: read.error,
          failingSince: known.failingSince ?? now,
        });
        continue;
      }
      if (known?.failingSince !== undefined) recovered.push(reference);
      if (known && known.value !== read.value) changed.push(reference);
      this.#kept.set(reference.text, {
        ...{ reference, value: read.value, readAt: now, error: undefined, failingSince: undefined },
      });
    }
    return { changed, failed, recovered };
  }

  /** Forgets the values of references that are used no more. */
  keep(references: readonly SecretReference[]): void {
    const used = new Set(references.map(({ text }) => text));
    for (const text of this.#kept.keys()) if (!used.has(text)) this.#kept.delete(text);
  }
}
