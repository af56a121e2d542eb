import { GatewayError } from '../core/errors.ts';
import { DEFAULT_TENANT, type Principal } from '../core/principal.ts';
import type { KeyStore } from '../storage/key-store.ts';
import { digestOf, sameDigest } from './key-secrets.ts';

interface Entry {
  readonly digest: string;
  readonly principal: Principal;
  readonly revoked: boolean;
}

/**
 * All API keys, in memory, by the digest of their secret. Every check does the same work whether the key is
 * missing, unknown, revoked or good: one digest, one look-up, one comparison in constant time.
 */
export class KeyRing {
  readonly #nobody: Entry;
  readonly #fromEnvironment: Entry | undefined;
  #entries = new Map<string, Entry>();
  #version = -1;
  #loading: Promise<void> | undefined;

  /** @param adminKey an admin key from the environment, valid beside the stored ones */
  constructor(
    private readonly store: KeyStore,
    adminKey?: string,
  ) {
    const principal: Principal = {
      kind: 'admin',
      tenant: DEFAULT_TENANT,
      keyId: 'key_environment',
      keyName: 'admin',
    };
    this.#nobody = { digest: '0'.repeat(64), principal, revoked: true };
    this.#fromEnvironment = adminKey ? { digest: digestOf(adminKey), principal, revoked: false } : undefined;
  }

  /** Reads all keys again. Calls that overlap share one read. */
  load(): Promise<void> {
    this.#loading ??= this.#read().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  /** Reads again only if another process has written since. */
  async refresh(): Promise<void> {
    if (this.store.version() !== this.#version) await this.load();
  }

  async #read(): Promise<void> {
    // Taken before the read: a write in between is then seen by the next refresh.
    const version = this.store.version();
    const entries = new Map<string, Entry>();
    for (const key of await this.store.list()) {
      entries.set(key.digest, {
        digest: key.digest,
        principal: { kind: key.kind, tenant: key.tenant, keyId: key.id, keyName: key.name },
        revoked: key.revokedAt !== null,
      });
    }
    if (this.#fromEnvironment) entries.set(this.#fromEnvironment.digest, this.#fromEnvironment);
    this.#entries = entries;
    this.#version = version;
  }

  /** True when some admin key works, so that none has to be made. */
  get hasAdmin(): boolean {
    for (const { principal, revoked } of this.#entries.values())
      if (principal.kind === 'admin' && !revoked) return true;
    return false;
  }

  /**
   * @param secret what the client presented, if anything
   * @throws GatewayError `missing_api_key` or `invalid_api_key`
   */
  authenticate(secret: string | undefined): Principal {
    const digest = digestOf(secret ?? '');
    const entry = this.#entries.get(digest) ?? this.#nobody;
    const matches = sameDigest(digest, entry.digest);
    if (secret !== undefined && matches && !entry.revoked) return entry.principal;
    if (secret === undefined) {
      throw new GatewayError(
        'missing_api_key',
        'No API key was sent. Send it as "Authorization: Bearer <key>", "x-api-key" or "api-key".',
      );
    }
    throw new GatewayError('invalid_api_key', 'The API key is not valid: it is unknown or has been revoked.');
  }
}

/** The key in a request's headers: `Authorization: Bearer`, `x-api-key` or `api-key`, in this order. */
export function presentedKey(headers: Headers): string | undefined {
  const authorization = headers.get('authorization');
  if (authorization !== null) {
    const match = /^bearer +(\S+)\s*$/i.exec(authorization);
    if (match) return match[1];
  }
  return headers.get('x-api-key')?.trim() || headers.get('api-key')?.trim() || undefined;
}
