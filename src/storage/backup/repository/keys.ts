import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, scrypt } from 'node:crypto';
import { z } from 'zod';
import { BackupError } from '../manifest.ts';

/** Opens an encrypted repository. */
export type RepositorySecret =
  | { readonly kind: 'passphrase'; readonly passphrase: string }
  /** 32 random bytes. */
  | { readonly kind: 'key'; readonly key: Uint8Array };

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** 128 MiB and about half a second for each guess. The header may not ask for more than the maximum. */
const SCRYPT = { N: 2 ** 17, r: 8, p: 1 } as const;
const MAX_SCRYPT_N = 2 ** 20;

const base64 = z.base64();

/** The repository's own key, wrapped with a key that comes from a passphrase (scrypt) or a key file (HKDF). */
export const wrappedKey = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('passphrase'),
    salt: base64,
    n: z.int().min(2).max(MAX_SCRYPT_N),
    r: z.int().min(1).max(32),
    p: z.int().min(1).max(16),
    wrapped: base64,
  }),
  z.strictObject({ kind: z.literal('key'), salt: base64, wrapped: base64 }),
]);
export type WrappedKey = z.infer<typeof wrappedKey>;

/**
 * Encrypts and authenticates objects with AES-256-GCM. Each object has a key of its own, derived from its name, and a random
 * nonce, so that no number of objects wears a key out; the name is authenticated too, so that no object can take the place of
 * another.
 */
export class ObjectCipher {
  readonly #encryption: Uint8Array;
  readonly #naming: Uint8Array;

  /** @param key of the repository: 32 random bytes */
  constructor(key: Uint8Array) {
    this.#encryption = derived(key, 'weir backup encryption');
    this.#naming = derived(key, 'weir backup names');
  }

  /** @returns a name for content, which tells nothing about the content without the key */
  nameOf(content: Uint8Array): string {
    return createHmac('sha256', this.#naming).update(content).digest('hex');
  }

  seal(name: string, content: Uint8Array): Buffer {
    return sealWith(this.#keyOf(name), name, content);
  }

  /** @throws Error when the object was altered, or belongs to another name or key */
  open(name: string, sealed: Uint8Array): Buffer {
    return openWith(this.#keyOf(name), name, sealed);
  }

  #keyOf(name: string): Buffer {
    return createHmac('sha256', this.#encryption).update(name).digest();
  }
}

/** @returns a new random key of a repository, and how it is stored */
export async function createRepositoryKey(
  secret: RepositorySecret,
): Promise<{ readonly key: Buffer; readonly stored: WrappedKey }> {
  const key = randomBytes(KEY_BYTES);
  const salt = randomBytes(KEY_BYTES);
  const text = salt.toString('base64');
  if (secret.kind === 'passphrase') {
    const { N: n, r, p } = SCRYPT;
    const wrapping = await stretched(secret.passphrase, salt, { n, r, p });
    const wrapped = sealWith(wrapping, WRAPPED, key).toString('base64');
    return { key, stored: { kind: 'passphrase', salt: text, n, r, p, wrapped } };
  }
  const wrapped = sealWith(derived(secret.key, WRAPPED, salt), WRAPPED, key).toString('base64');
  return { key, stored: { kind: 'key', salt: text, wrapped } };
}

/** @throws BackupError for another passphrase or key */
export async function openRepositoryKey(
  stored: WrappedKey,
  secret: RepositorySecret | undefined,
  location: string,
): Promise<Buffer> {
  const needed = stored.kind === 'passphrase' ? 'a passphrase' : 'a key file';
  if (secret === undefined) {
    throw new BackupError(
      `The backups in ${location} are encrypted with ${needed}. Set WEIR_BACKUP_PASSPHRASE, or use --passphrase-file or --key-file.`,
    );
  }
  if (secret.kind !== stored.kind) {
    const given = secret.kind === 'passphrase' ? 'a passphrase' : 'a key file';
    throw new BackupError(`The backups in ${location} are encrypted with ${needed}, and ${given} was given.`);
  }
  const salt = Buffer.from(stored.salt, 'base64');
  try {
    const wrapping =
      secret.kind === 'passphrase' && stored.kind === 'passphrase'
        ? await stretched(secret.passphrase, salt, stored)
        : derived(secret.kind === 'key' ? secret.key : new Uint8Array(), WRAPPED, salt);
    return openWith(wrapping, WRAPPED, Buffer.from(stored.wrapped, 'base64'));
  } catch (cause) {
    const what = secret.kind === 'passphrase' ? 'passphrase' : 'key file';
    throw new BackupError(
      `The ${what} is not the one of the backups in ${location}, or their header is altered.`,
      { cause },
    );
  }
}

/** @returns the key of a key file: 64 hexadecimal digits or base64 of 32 bytes. @throws BackupError for other content */
export function parseKeyFile(text: string, path: string): Buffer {
  const trimmed = text.trim();
  const key = /^[0-9a-f]{64}$/i.test(trimmed)
    ? Buffer.from(trimmed, 'hex')
    : /^[A-Za-z0-9+/]{43}=$/.test(trimmed)
      ? Buffer.from(trimmed, 'base64')
      : undefined;
  if (key?.length === KEY_BYTES) return key;
  throw new BackupError(
    `${path} is no key file: it must contain 32 random bytes as 64 hexadecimal digits, as from \`openssl rand -hex 32\`.`,
  );
}

const WRAPPED = 'weir backup key';

function derived(key: Uint8Array, purpose: string, salt: Uint8Array = new Uint8Array()): Buffer {
  return Buffer.from(hkdfSync('sha256', key, salt, purpose, KEY_BYTES));
}

function stretched(
  passphrase: string,
  salt: Uint8Array,
  { n, r, p }: { readonly n: number; readonly r: number; readonly p: number },
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { N: n, r, p, maxmem: 2 * 128 * n * r };
    // The same passphrase has several forms in Unicode.
    scrypt(passphrase.normalize('NFC'), salt, KEY_BYTES, options, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}

function sealWith(key: Uint8Array, name: string, content: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(name));
  return Buffer.concat([nonce, cipher.update(content), cipher.final(), cipher.getAuthTag()]);
}

function openWith(key: Uint8Array, name: string, sealed: Uint8Array): Buffer {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) throw new Error('too short');
  const end = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(Buffer.from(name));
  decipher.setAuthTag(sealed.subarray(end));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, end)), decipher.final()]);
}
