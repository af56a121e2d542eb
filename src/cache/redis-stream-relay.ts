import { encodeUtf8, exactUtf8 } from '../core/bytes.ts';
import type { ChatEvent } from '../core/chat/result.ts';
import { isRecord, listOf, parseJsonText } from '../core/json.ts';
import type { Frame } from '../core/stream/frame.ts';
import { sha256Hex } from '../platform/hash.ts';
import type { RedisClient } from '../platform/redis-client.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { RedisScript } from '../storage/kv/redis-script.ts';
import { SKIPPED, type Skipped } from './cache-store.ts';
import type { RedisLookups } from './redis-lookups.ts';
import type { RelayClaim, RelayedCall, RelayPart, RelayReading, StreamRelay } from './stream-relay.ts';

/** A claim that is not renewed ends after this time, and so do the parts. Milliseconds. */
const TTL_MS = 30_000;
/** A gateway counts as a reader for this long after it has read. Milliseconds. */
const READER_MS = 3_000;

export interface RedisStreamRelayOptions {
  readonly client: RedisClient;
  readonly lookups: RedisLookups;
  /** Of all keys. */
  readonly prefix: string;
  /** Seals parts. */
  readonly box: Pick<SecretBox, 'seal' | 'open'>;
  readonly newId: () => string;
}

/**
 * Relays streams through Redis or Valkey: a claim for each call, and its parts as a stream of Redis whose ids are their
 * numbers. The keys of a call are in one hash slot. Parts are sealed, and name their place.
 */
export class RedisStreamRelay implements StreamRelay {
  readonly #append: RedisScript;
  readonly #read: RedisScript;
  readonly #release: RedisScript;

  constructor(private readonly options: RedisStreamRelayOptions) {
    this.#append = new RedisScript(options.client, 'relay-append');
    this.#read = new RedisScript(options.client, 'relay-read');
    this.#release = new RedisScript(options.client, 'relay-release');
  }

  async claim(name: string, tenant: string): Promise<RelayClaim | Skipped> {
    const { client, lookups, newId } = this.options;
    if (!client.ready) return SKIPPED;
    const call = { tenant, name, id: newId() };
    const [key] = this.#keysOf(call);
    const set = () => client.call('SET', [key, call.id, 'NX', 'PX', String(TTL_MS)]);
    const reply = await lookups.lookUp(set);
    if (reply === SKIPPED) return SKIPPED;
    if (reply !== null) return { call, isMine: true };
    const id = await lookups.lookUp(() => client.call('GET', [key]));
    // It has just ended: this request makes the call without others.
    return typeof id === 'string' && id !== SKIPPED ? { call: { tenant, name, id }, isMine: false } : SKIPPED;
  }

  async append(
    call: RelayedCall,
    part: RelayPart | undefined,
    number: number,
    firstKept: number,
  ): Promise<boolean> {
    const text = part
      ? this.options.box.seal(JSON.stringify({ ...placeOf(call, number), ...written(part) }))
      : '';
    const reply = await this.#append.run(this.#keysOf(call), [call.id, number, text, firstKept, TTL_MS]);
    return Number(reply) > 0;
  }

  release(call: RelayedCall): void {
    const { lookups } = this.options;
    const [key] = this.#keysOf(call);
    this.#release.run([key], [call.id]).catch(() => lookups.skipped('unavailable'));
  }

  async read(call: RelayedCall, after: number, most: number): Promise<RelayReading> {
    const reply = await this.#read.run(this.#keysOf(call), [call.id, after, most, READER_MS]);
    const [isHeld, ...entries] = listOf(reply);
    const parts: RelayPart[] = [];
    let isTorn = false;
    for (let at = 0; at + 1 < entries.length; at += 2) {
      const number = after + parts.length + 1;
      const part =
        entries[at] === `0-${number}` ? this.#open(String(entries[at + 1]), call, number) : undefined;
      isTorn = part === undefined;
      if (!part) break;
      parts.push(part);
    }
    return { parts, isTorn, isAlive: Number(isHeld) > 0 };
  }

  /** @returns undefined for a part that was changed, is of another place, or was written by another version */
  #open(text: string, call: RelayedCall, number: number): RelayPart | undefined {
    try {
      const value = parseJsonText(this.options.box.open(text));
      if (!isRecord(value)) return undefined;
      const { tenant, name, id, at, ...part } = value;
      const place = placeOf(call, number);
      const isHere = tenant === place.tenant && name === place.name && id === place.id && at === place.at;
      return isHere ? read(part) : undefined;
    } catch {
      return undefined;
    }
  }

  #keysOf({ tenant, name, id }: RelayedCall): [claim: string, parts: string, readers: string] {
    const call = `${this.options.prefix}:cache:{relay:${tenant}:${sha256Hex(name)}}`;
    return [call, `${call}:${id}`, `${call}:${id}:readers`];
  }
}

function placeOf({ tenant, name, id }: RelayedCall, number: number) {
  return { tenant, name, id, at: number };
}

/** The form in which a part is stored: bytes as text where they are UTF-8, as they nearly always are. */
function written({ head, frames, end }: RelayPart) {
  return { head, end, frames: frames.map(({ bytes, events, isLast }) => [textOf(bytes), events, isLast]) };
}

function textOf(bytes: Uint8Array | undefined): unknown {
  return bytes ? (exactUtf8(bytes) ?? [Buffer.from(bytes).toString('base64')]) : null;
}

function read({ head, end, frames }: Readonly<Record<string, unknown>>): RelayPart {
  const part: Pick<RelayPart, 'head' | 'end'> = Object({ head, end });
  return { ...part, frames: listOf(frames).map(frameOf) };
}

function frameOf(value: unknown): Frame {
  const [bytes, events, isLast] = listOf(value);
  const known: readonly ChatEvent[] = Object(events);
  const coded = Array.isArray(bytes) ? Buffer.from(String(bytes[0]), 'base64') : undefined;
  const own = typeof bytes === 'string' ? encodeUtf8(bytes) : coded && new Uint8Array(coded);
  return { ...(own ? { bytes: own } : {}), events: known, ...(isLast === true ? { isLast } : {}) };
}
