/** An API key as it is kept: the secret itself is never stored. Times are Unix milliseconds. */
export interface StoredKey {
  readonly id: string;
  readonly kind: 'admin' | 'api_key';
  readonly tenant: string;
  readonly name: string;
  /** The secret's first characters, for people to tell keys apart. */
  readonly hint: string;
  /** SHA-256 of the secret, in lower-case hex. */
  readonly digest: string;
  readonly createdAt: number;
  readonly revokedAt: number | null;
}

/** Keeps API keys. Not on the request path: whoever checks keys holds them in memory. */
export interface KeyStore {
  list(): Promise<StoredKey[]>;
  /** @throws Error when the id or the digest exists already */
  insert(key: StoredKey): Promise<void>;
  /** @returns false when no such key exists; revoking twice keeps the first time */
  revoke(id: string, at: number): Promise<boolean>;
  /** Changes after another process has written; cheap enough to ask several times a second. */
  version(): number;
}
