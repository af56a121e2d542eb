import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** A key of a key ring. */
export interface SealingKey {
  /** Written into what it seals. Empty for the first key of an installation, whose seals have no id. */
  readonly id: string;
  readonly secret: string;
}

/** Several keys, of which one seals and all open. */
export interface SealingKeys {
  /** The key that seals now. */
  readonly active: SealingKey;
  /** @returns undefined for a key that is unknown or was removed */
  find(id: string): SealingKey | undefined;
  /** All keys, the active one first. */
  all(): readonly SealingKey[];
}

const NONCE = 12;
const TAG = 16;
/** The id of a key before its seal; base64 has no colon. */
const SEAL_ID = /^([a-z0-9]+):/;

/** @returns the id of the key that sealed a text; empty for the first key of an installation */
export function keyIdOf(sealed: string): string {
  return SEAL_ID.exec(sealed)?.[1] ?? '';
}

/**
 * Encrypts values for the database with AES-256-GCM, under keys derived from the installation's secrets. Texts name the key
 * that sealed them; bytes do not, and are tried with each key.
 */
export class SecretBox {
  readonly #keys: SealingKeys;
  readonly #derived = new Map<string, { readonly secret: string; readonly key: Uint8Array }>();

  /** @param secret one secret, or the keys of a ring, which may change */
  constructor(
    secret: string | SealingKeys,
    private readonly purpose: string,
  ) {
    this.#keys = typeof secret === 'string' ? singleKey(secret) : secret;
  }

  seal(text: string): string {
    const { active } = this.#keys;
    const sealed = this.#sealed(Buffer.from(text), active).toString('base64');
    return active.id === '' ? sealed : `${active.id}:${sealed}`;
  }

  /** @throws Error when the value was sealed with another secret, or was changed */
  open(sealed: string): string {
    const id = keyIdOf(sealed);
    const key = this.#keys.find(id);
    if (!key) throw new Error(`the sealing key "${id}" is unknown`);
    const bytes = Buffer.from(id === '' ? sealed : sealed.slice(id.length + 1), 'base64');
    return this.#opened(bytes, key).toString('utf8');
  }

  sealBytes(bytes: Uint8Array): Buffer {
    return this.#sealed(bytes, this.#keys.active);
  }

  /** @throws Error when the value was sealed with another secret, or was changed */
  openBytes(bytes: Uint8Array): Buffer {
    let failure: unknown;
    for (const key of this.#keys.all()) {
      try {
        return this.#opened(bytes, key);
      } catch (error) {
        failure ??= error;
      }
    }
    throw failure;
  }

  #sealed(bytes: Uint8Array, key: SealingKey): Buffer {
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv('aes-256-gcm', this.#derive(key), nonce);
    const sealed = Buffer.concat([cipher.update(bytes), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
  }

  #opened(bytes: Uint8Array, key: SealingKey): Buffer {
    const decipher = createDecipheriv('aes-256-gcm', this.#derive(key), bytes.subarray(0, NONCE));
    decipher.setAuthTag(bytes.subarray(NONCE, NONCE + TAG));
    return Buffer.concat([decipher.update(bytes.subarray(NONCE + TAG)), decipher.final()]);
  }

  #derive({ id, secret }: SealingKey): Uint8Array {
    const known = this.#derived.get(id);
    if (known?.secret === secret) return known.key;
    const key = new Uint8Array(hkdfSync('sha256', secret, '', `weir ${this.purpose}`, 32));
    this.#derived.set(id, { secret, key });
    return key;
  }
}

/** @returns a ring of one key */
export function singleKey(secret: string): SealingKeys {
  const active: SealingKey = { id: '', secret };
  return { active, find: (id) => (id === '' ? active : undefined), all: () => [active] };
}
