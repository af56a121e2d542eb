import { isRecord, listOf, parseJsonText } from '../../core/json.ts';
import { sha256Hex } from '../../platform/hash.ts';
import type { RedisClient } from '../../platform/redis-client.ts';
import type { SecretBox } from '../../platform/secret-box.ts';
import {
  REPLAY_MS,
  type ReplayLease,
  type ReplayState,
  type ReplayStore,
  type StoredResponse,
} from '../replay-store.ts';
import { RedisScript } from './redis-script.ts';

export interface RedisReplayStoreOptions {
  /** Opens the connection; called with the first key. */
  readonly connect: () => Promise<RedisClient>;
  readonly prefix: string;
  /** Encrypts responses: they are what the tenant's prompts led to. */
  readonly box: SecretBox;
  /** Used while Redis is unreachable: then a request is executed at most once by each gateway. */
  readonly local: ReplayStore;
  readonly now: () => number;
  /** Bounds of what is kept of a tenant; 10,000 responses and 64 MiB when absent. */
  readonly bounds?: { readonly entries: number; readonly bytes: number };
  readonly newId: () => string;
}

/** How long a request counts as running after its gateway renewed it last. Milliseconds. */
const RUNNING_MS = 60_000;
const BOUNDS = { entries: 10_000, bytes: 64 * 1024 * 1024 };

/** Keeps responses in Redis, where all gateways find them. */
export class RedisReplayStore implements ReplayStore {
  readonly #running = new Map<string, { readonly keys: readonly string[]; readonly value: string }>();
  #script: Promise<{ readonly client: RedisClient; readonly script: RedisScript }> | undefined;

  constructor(private readonly options: RedisReplayStoreOptions) {}

  async begin(tenant: string, key: string, fingerprint: string): Promise<ReplayState> {
    const { prefix, box, local, newId } = this.options;
    // All keys of a tenant share a hash slot.
    const base = `${prefix}:{replay:${tenant}}`;
    const keys = [`${base}:${sha256Hex(key)}`, `${base}:index`, `${base}:lengths`];
    const id = newId();
    const value = `${fingerprint} ${id}`;
    let known: unknown;
    try {
      known = await this.#run(keys, ['begin', value, RUNNING_MS]);
    } catch {
      // The store of limits reports the outage.
      return local.begin(tenant, key, fingerprint);
    }
    if (typeof known !== 'string') {
      this.#running.set(id, { keys, value });
      return { kind: 'first', lease: this.#lease(id, keys, value, fingerprint) };
    }
    const [of, , sealed] = known.split(' ');
    if (of !== fingerprint) return { kind: 'other' };
    if (sealed === undefined) return { kind: 'running' };
    const response = opened(box, sealed);
    return response ? { kind: 'stored', response } : { kind: 'other' };
  }

  async renew(): Promise<void> {
    await this.options.local.renew();
    for (const { keys, value } of [...this.#running.values()])
      await this.#run(keys, ['renew', value, RUNNING_MS]);
  }

  #lease(id: string, keys: readonly string[], value: string, fingerprint: string): ReplayLease {
    const { box, now, bounds = BOUNDS } = this.options;
    const end = async (parameters: readonly unknown[]): Promise<void> => {
      this.#running.delete(id);
      try {
        const evicted = listOf(await this.#run(keys, parameters)).map(String);
        const client = (await this.#script)?.client;
        for (const name of evicted) await client?.call('DEL', [name]);
      } catch {
        // It expires: until then a repeated request gets a 409.
      }
    };
    return {
      complete: (response) => {
        const stored = `${fingerprint} - ${box.seal(JSON.stringify(response))}`;
        return end(['complete', value, stored, REPLAY_MS, now(), bounds.entries, bounds.bytes]);
      },
      release: () => end(['release', value]),
    };
  }

  async #run(keys: readonly string[], parameters: readonly unknown[]): Promise<unknown> {
    this.#script ??= this.options
      .connect()
      .then((client) => ({ client, script: new RedisScript(client, 'replay') }));
    return (await this.#script).script.run(keys, parameters);
  }
}

/** @returns undefined for a value that was sealed with another secret */
function opened(box: SecretBox, sealed: string): StoredResponse | undefined {
  let text: string;
  try {
    text = box.open(sealed);
  } catch {
    // Of another installation, or before the secret was changed: it cannot be replayed.
    return undefined;
  }
  const value = parseJsonText(text);
  if (!isRecord(value)) return undefined;
  const headers = listOf(value.headers).flatMap((one) => {
    const [name, content] = listOf(one);
    return typeof name === 'string' && typeof content === 'string' ? [[name, content] as const] : [];
  });
  return { headers, text: typeof value.text === 'string' ? value.text : null };
}
