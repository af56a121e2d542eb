import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import { z } from 'zod';
import { parseJsonText } from '../core/json.ts';
import { hmacSha256Hex } from '../platform/hash.ts';
import { type SealingKey, type SealingKeys, SecretBox } from '../platform/secret-box.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';

const SETTING = 'key_ring';
/** The id of the secret that gateways run with, by which a mistyped one is noticed. */
const SECRET_ID_SETTING = 'secret_id';
const PURPOSE = 'key ring';
const ID_LENGTH = 16;

const storedKey = z.object({
  id: z.string(),
  /** The key, sealed with each secret of the installation that may open it, by the id of that secret. */
  wraps: z.record(z.string(), z.string()),
  /** Unix milliseconds. */
  created_at: z.number(),
  /** When another key began to seal; null for the one that does. */
  retired_at: z.number().nullable(),
});

const storedRing = z.object({
  active: z.string(),
  keys: z.array(storedKey).min(1),
  /** A rotation that has begun: `announced` while gateways learn of the key, `sealing` from then on. */
  rotation: z.object({ to: z.string(), phase: z.enum(['announced', 'sealing']) }).nullable(),
});

export type StoredRing = z.infer<typeof storedRing>;

/** The key ring of an installation cannot be opened, or was changed by another command meanwhile. */
export class KeyRingError extends Error {
  override readonly name = 'KeyRingError';
}

/** @returns the id of a secret of an installation, which says nothing about it */
export function masterIdOf(secret: string): string {
  return hmacSha256Hex(secret, 'weir key ring').slice(0, ID_LENGTH);
}

/**
 * The keys that seal what an installation stores. Before the first rotation, there is one: the installation's secret. After
 * it, keys are random, and stored in the control database sealed with the secret, so that changing the secret seals only the
 * keys again. The first key stays: digests of API keys are made with it.
 */
export class KeyRing implements SealingKeys {
  #keys: readonly SealingKey[];
  #text: string | undefined;
  #active: SealingKey;

  /** @param secret of the installation: `WEIR_SECRET`, or the stored one */
  constructor(
    private readonly control: Kysely<ControlTables>,
    private readonly secret: string,
  ) {
    this.#active = { id: '', secret };
    this.#keys = [this.#active];
  }

  get active(): SealingKey {
    return this.#active;
  }

  /** The secret of digests, which no rotation changes. */
  get base(): string {
    return this.find('')?.secret ?? this.secret;
  }

  find(id: string): SealingKey | undefined {
    return this.#keys.find((key) => key.id === id);
  }

  all(): readonly SealingKey[] {
    return this.#keys;
  }

  /**
   * Reads the ring, which a command may have changed.
   * @throws KeyRingError when the secret does not open it; the keys stay as they are
   */
  async refresh(): Promise<void> {
    const text = await readText(this.control);
    if (text === this.#text) return;
    if (text === undefined) {
      this.#active = { id: '', secret: this.secret };
      this.#keys = [this.#active];
    } else {
      const ring = parse(text);
      const keys = openKeys(ring, this.secret);
      const active = keys.find(({ id }) => id === ring.active);
      if (!active)
        throw new KeyRingError('the key ring of the control database is damaged: it has no active key');
      this.#active = active;
      this.#keys = [active, ...keys.filter((key) => key !== active)];
    }
    this.#text = text;
  }
}

/** Records the secret that gateways run with, as an id that says nothing about it. */
export async function recordSecretId(control: Kysely<ControlTables>, secret: string): Promise<void> {
  const value = masterIdOf(secret);
  await control
    .insertInto('settings')
    .values({ name: SECRET_ID_SETTING, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute();
}

/**
 * Rejects a secret that is not the one of this installation, before anything is written with it: all keys and sessions would be
 * invalid, and what it seals would be lost. A ring checks it itself, and an installation without keys may change it.
 * @param secret empty where none is set or stored
 * @throws KeyRingError
 */
export async function assertKnownSecret(control: Kysely<ControlTables>, secret: string): Promise<void> {
  if ((await readText(control)) !== undefined) return;
  const row = await control
    .selectFrom('settings')
    .select('value')
    .where('name', '=', SECRET_ID_SETTING)
    .executeTakeFirst();
  if (!row || row.value === masterIdOf(secret)) return;
  const key = await control
    .selectFrom('key_index')
    .select('id')
    .where('deleted', '=', 0)
    .limit(1)
    .executeTakeFirst();
  if (!key) return;
  throw new KeyRingError(
    'WEIR_SECRET is missing, or is not the one that this installation runs with: its API keys and sessions would be invalid. Set it to that value, or unset it where none was set. To change it, use `weir secrets rotate`; if it is lost, restore a backup with --ignore-secret (docs/secrets.md).',
  );
}

/** Changes the stored ring, for `weir secrets rotate`. */
export class KeyRingEditor {
  /** @param secret of the installation, which every key is sealed with from now on */
  constructor(
    private readonly control: Kysely<ControlTables>,
    private readonly secret: string,
    private readonly now: () => number,
  ) {}

  /** @throws KeyRingError when gateways run with another secret */
  async #assertSecret(secret: string): Promise<void> {
    const row = await this.control
      .selectFrom('settings')
      .select('value')
      .where('name', '=', SECRET_ID_SETTING)
      .executeTakeFirst();
    if (!row || row.value === masterIdOf(secret)) return;
    throw new KeyRingError(
      'Gateways of this installation run with another secret. Set WEIR_SECRET to theirs; to change it, set WEIR_SECRET_PREVIOUS to theirs and WEIR_SECRET to the new one.',
    );
  }

  /** @returns undefined before the first rotation */
  async read(): Promise<StoredRing | undefined> {
    const text = await readText(this.control);
    return text === undefined ? undefined : parse(text);
  }

  /**
   * Begins a rotation, or returns the one that has begun.
   * @param previous the secret before a change of `WEIR_SECRET`; undefined when it has not changed
   * @throws KeyRingError when neither secret opens the keys
   */
  async announce(previous: string | undefined): Promise<StoredRing> {
    const found = await this.read();
    const opener = previous ?? this.secret;
    if (!found) await this.#assertSecret(opener);
    const ring = found ?? this.#firstRing(opener);
    if (ring.rotation) return this.#write(found, this.#wrapped(ring, opener));
    const key = { id: randomBytes(4).toString('hex'), secret: randomBytes(32).toString('hex') };
    const stored = { id: key.id, wraps: {}, created_at: this.now(), retired_at: null };
    const base = this.#wrapped(ring, opener);
    const added = {
      ...stored,
      // Gateways that still have the previous secret open it too.
      wraps: Object.fromEntries(
        this.#mastersOf(opener).map((master) => [masterIdOf(master), wrap(key.secret, master)]),
      ),
    };
    return this.#write(found, {
      ...base,
      keys: [...base.keys, added],
      rotation: { to: key.id, phase: 'announced' },
    });
  }

  /** Lets the announced key seal. */
  async activate(): Promise<StoredRing> {
    const ring = await this.#required();
    if (!ring.rotation || ring.rotation.phase === 'sealing') return ring;
    const { to } = ring.rotation;
    const keys = ring.keys.map((key) => (key.id === ring.active ? { ...key, retired_at: this.now() } : key));
    return this.#write(ring, { ...ring, keys, active: to, rotation: { to, phase: 'sealing' } });
  }

  /** Ends a rotation whose values are all sealed again. The keys before it still open caches and backups. */
  async complete(): Promise<StoredRing> {
    const ring = await this.#required();
    return this.#write(ring, { ...ring, rotation: null });
  }

  /**
   * Removes keys that were retired before a moment, but never the first one.
   * @param retiredBefore Unix milliseconds
   * @param dropsSecrets whether other secrets than the present one shall open the keys no more
   * @returns the ids of the removed keys
   */
  async prune(retiredBefore: number, dropsSecrets: boolean): Promise<readonly string[]> {
    const ring = await this.#required();
    const isKept = ({ id, retired_at: at }: StoredRing['keys'][number]) =>
      id === '' || at === null || at >= retiredBefore;
    const own = masterIdOf(this.secret);
    openKeys(ring, this.secret);
    const wrapsOf = (wraps: Readonly<Record<string, string>>) =>
      dropsSecrets ? Object.fromEntries(Object.entries(wraps).filter(([id]) => id === own)) : { ...wraps };
    const keys = ring.keys.filter(isKept).map((key) => ({ ...key, wraps: wrapsOf(key.wraps) }));
    await this.#write(ring, { ...ring, keys });
    return ring.keys.filter((key) => !isKept(key)).map(({ id }) => id);
  }

  #firstRing(base: string): StoredRing {
    const key = { id: '', wraps: { [masterIdOf(base)]: wrap(base, base) }, created_at: 0, retired_at: null };
    return { active: '', keys: [key], rotation: null };
  }

  #mastersOf(opener: string): readonly string[] {
    return opener === this.secret ? [this.secret] : [this.secret, opener];
  }

  /** Seals each key with the present secret, too. */
  #wrapped(ring: StoredRing, opener: string): StoredRing {
    const own = masterIdOf(this.secret);
    if (ring.keys.every(({ wraps }) => Object.hasOwn(wraps, own))) {
      openKeys(ring, this.secret);
      return ring;
    }
    const opened = openKeys(ring, opener);
    const keys = ring.keys.map((key) => {
      const secret = opened.find(({ id }) => id === key.id)?.secret ?? '';
      return { ...key, wraps: { ...key.wraps, [own]: wrap(secret, this.secret) } };
    });
    return { ...ring, keys };
  }

  async #required(): Promise<StoredRing> {
    const ring = await this.read();
    if (ring) return ring;
    throw new KeyRingError('this installation has no key ring yet: run `weir secrets rotate`');
  }

  /** @throws KeyRingError when another command has changed it since it was read */
  async #write(before: StoredRing | undefined, ring: StoredRing): Promise<StoredRing> {
    // In the order of the schema, so that texts can be compared.
    const value = JSON.stringify(storedRing.parse(ring));
    if (before === undefined) {
      const { numInsertedOrUpdatedRows } = await this.control
        .insertInto('settings')
        .values({ name: SETTING, value })
        .onConflict((conflict) => conflict.column('name').doNothing())
        .executeTakeFirstOrThrow();
      if (numInsertedOrUpdatedRows === 0n) throw changedMeanwhile();
      return ring;
    }
    const { numUpdatedRows } = await this.control
      .updateTable('settings')
      .set({ value })
      .where('name', '=', SETTING)
      .where('value', '=', JSON.stringify(before))
      .executeTakeFirstOrThrow();
    if (numUpdatedRows === 0n) throw changedMeanwhile();
    return ring;
  }
}

function changedMeanwhile(): KeyRingError {
  return new KeyRingError(
    'another command rotates the keys of this installation; wait for it, and run this again',
  );
}

function wrap(secret: string, master: string): string {
  return new SecretBox(master, PURPOSE).seal(secret);
}

/** @throws KeyRingError when the secret opens none, or not all */
function openKeys(ring: StoredRing, secret: string): readonly SealingKey[] {
  const master = masterIdOf(secret);
  const box = new SecretBox(secret, PURPOSE);
  return ring.keys.map(({ id, wraps }) => {
    const sealed = wraps[master];
    if (sealed === undefined) {
      throw new KeyRingError(
        'The keys of this installation were sealed with another secret. Set WEIR_SECRET to the one before; to change it, run `weir secrets rotate` with WEIR_SECRET_PREVIOUS (docs/secrets.md).',
      );
    }
    try {
      return { id, secret: box.open(sealed) };
    } catch (cause) {
      throw new KeyRingError('the key ring of the control database is damaged: restore a backup', { cause });
    }
  });
}

function parse(text: string): StoredRing {
  const parsed = storedRing.safeParse(parseJsonText(text));
  if (parsed.success) return parsed.data;
  throw new KeyRingError('the key ring of the control database is damaged: restore a backup');
}

async function readText(control: Kysely<ControlTables>): Promise<string | undefined> {
  const row = await control
    .selectFrom('settings')
    .select('value')
    .where('name', '=', SETTING)
    .executeTakeFirst();
  return row?.value;
}
