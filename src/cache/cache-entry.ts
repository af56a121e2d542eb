import type { ChatEvent, ChatResult } from '../core/chat/result.ts';
import type { Usage } from '../core/usage.ts';
import type { Warning } from '../core/warning.ts';

/** Version of the stored form. Entries of another version are never served. */
export const ENTRY_FORMAT = 1;

/** What an entry belongs to. `clear` selects by it. */
export interface EntryOwner {
  readonly tenant: string;
  /** Chosen by the client; empty for the usual one. */
  readonly namespace: string;
  /** The configured model, or `other`. */
  readonly model: string;
  readonly tags: readonly string[];
}

/** A complete, successful response before output guardrails. At least one of its contents is there. */
export interface CachedResponse {
  /** Wire format of `text` and `frames`; undefined where the operation has only one. */
  readonly dialect: string | undefined;
  /** The model's name that the contents repeat. */
  readonly modelName: string;
  /** What else the contents depend on beside the key, such as stream options. */
  readonly variant: string;
  readonly provider: string;
  readonly upstreamModel: string;
  readonly usage: Usage | undefined;
  readonly finishReason: string | undefined;
  readonly warnings: readonly Warning[];
  /** Milliseconds that the upstream took. */
  readonly durationMs: number;
  /** Thousand-millionths of a US dollar; undefined where no price was known. */
  readonly nanoUsd: number | undefined;
  /** A complete body. */
  readonly text?: string | undefined;
  /** The bytes of a whole stream. */
  readonly frames?: Uint8Array | undefined;
  /** Pairs: bytes of `frames` that had arrived, and after how many milliseconds. */
  readonly pace?: readonly number[] | undefined;
  /** The canonical content, where `text` and `frames` cannot be decoded. */
  readonly events?: readonly ChatEvent[] | undefined;
  readonly result?: ChatResult | undefined;
}

/** The vector of one input. */
export interface CachedVector {
  readonly vector: readonly number[];
  /** Input tokens. */
  readonly tokens: number;
  /** Its share of the time that the upstream took, in milliseconds; absent in older entries. */
  readonly ms?: number;
}

/** Something stored, with its lifetime. Times are Unix milliseconds. */
export interface CacheEntry<Value> {
  readonly format: number;
  readonly key: string;
  readonly owner: EntryOwner;
  readonly storedAt: number;
  /** Served without question until then. */
  readonly freshUntil: number;
  /** Served as stale until then, where the configuration allows it. */
  readonly usableUntil: number;
  readonly value: Value;
}

/** A clock of another gateway may be ahead by this much. Milliseconds. */
const CLOCK_TOLERANCE_MS = 5_000;

/** @returns how an entry may be used now; undefined for one that must not be */
export function usability<Value>(
  entry: CacheEntry<Value>,
  key: string,
  tenant: string,
  now: number,
): 'fresh' | 'stale' | undefined {
  if (entry.format !== ENTRY_FORMAT || entry.key !== key || entry.owner.tenant !== tenant) return undefined;
  if (entry.storedAt > now + CLOCK_TOLERANCE_MS || now >= entry.usableUntil) return undefined;
  return now < entry.freshUntil ? 'fresh' : 'stale';
}

/** Seconds since an entry was stored, for the header `age`. */
export function ageSeconds({ storedAt }: Pick<CacheEntry<unknown>, 'storedAt'>, now: number): number {
  return Math.max(0, Math.floor((now - storedAt) / 1000));
}

/** @returns an upper estimate of the memory that a response takes, in bytes */
export function responseBytes({ text, frames, pace, events, result }: CachedResponse): number {
  let bytes = 1_000 + 2 * (text?.length ?? 0) + (frames?.length ?? 0) + 8 * (pace?.length ?? 0);
  for (const event of events ?? []) bytes += 150 + ('text' in event ? 2 * event.text.length : 0);
  if (result) bytes += 4 * (text?.length ?? 1_000);
  return bytes;
}

/** @returns an upper estimate of the memory that a vector takes, in bytes */
export function vectorBytes({ vector }: CachedVector): number {
  return 500 + 8 * vector.length;
}
