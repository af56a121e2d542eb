import type { SecretReference } from '../config/secret-reference.ts';
import type { Clock } from '../core/clock.ts';
import { type SecretDocument, SecretError, type SecretStore, secretValue } from './secret-store.ts';

/** What a read of one reference gave. */
export type SecretRead =
  | { readonly reference: SecretReference; readonly value: string }
  | { readonly reference: SecretReference; readonly error: SecretError };

export interface SecretReaderOptions {
  readonly storeOf: (reference: SecretReference) => Promise<SecretStore>;
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  /** How long one attempt may take in all, sign-in included. Milliseconds. */
  readonly attemptMs: number;
}

/** Secrets that are read at the same time. */
const CONCURRENCY = 8;
const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 5_000;

/** Reads references: each secret once, however many references name it, and again while its store cannot be reached. */
export class SecretReader {
  constructor(private readonly options: SecretReaderOptions) {}

  /**
   * Reads references.
   * @param deadlineAt until when a failed read is tried again, on the monotonic clock; milliseconds
   * @returns one result for each reference that differs
   */
  async read(references: readonly SecretReference[], deadlineAt: number): Promise<SecretRead[]> {
    const byDocument = new Map<string, SecretReference[]>();
    const seen = new Set<string>();
    for (const reference of references) {
      if (seen.has(reference.text)) continue;
      seen.add(reference.text);
      const same = byDocument.get(reference.document);
      if (same) same.push(reference);
      else byDocument.set(reference.document, [reference]);
    }
    const waiting = [...byDocument.values()];
    const results: SecretRead[] = [];
    const work = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        results.push(...(await this.#readDocument(next, deadlineAt)));
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    return results;
  }

  async #readDocument(references: readonly SecretReference[], deadlineAt: number): Promise<SecretRead[]> {
    const [first] = references;
    if (!first) return [];
    let document: SecretDocument;
    try {
      document = await this.#attempts(first, deadlineAt);
    } catch (cause) {
      const error =
        cause instanceof SecretError ? cause : new SecretError(messageOf(cause), false, { cause });
      return references.map((reference) => ({ reference, error }));
    }
    return references.map((reference) => {
      try {
        return { reference, value: secretValue(document, reference) };
      } catch (error) {
        if (error instanceof SecretError) return { reference, error };
        throw error;
      }
    });
  }

  async #attempts(reference: SecretReference, deadlineAt: number): Promise<SecretDocument> {
    const { clock, random } = this.options;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, MAX_PAUSE_MS)) {
      try {
        return await this.#attempt(reference);
      } catch (error) {
        const wait = pause * (0.5 + random());
        const isLast = clock.now() + wait >= deadlineAt;
        if (!(error instanceof SecretError) || !error.retryable || isLast) throw error;
        await clock.sleep(wait);
      }
    }
  }

  async #attempt(reference: SecretReference): Promise<SecretDocument> {
    const { storeOf, clock, attemptMs } = this.options;
    const ended = new AbortController();
    const controller = new AbortController();
    const tooLate = clock.sleep(attemptMs, ended.signal).then(() => {
      const error = new SecretError(`no response within ${attemptMs} ms`, true);
      controller.abort(error);
      throw error;
    });
    try {
      return await Promise.race([
        (async () => (await storeOf(reference)).read(reference, controller.signal))(),
        tooLate,
      ]);
    } finally {
      ended.abort();
      // The timer rejects when it is cancelled; the read has its result.
      tooLate.catch(() => undefined);
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
