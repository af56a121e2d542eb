import type { TenantScope } from './tenant-scope.ts';

type Item = Readonly<Record<string, unknown>>;

/** An answer of the Responses API that a later request may go on from. Times are Unix milliseconds. */
export interface StoredResponse {
  readonly id: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** All items that the model was given. */
  readonly input: readonly Item[];
  /** The response object as the client had it. */
  readonly response: Item;
  /** The upstream keeps it too, under the same id. */
  readonly native: boolean;
}

/** Keeps responses. Fails closed: what can't be read is an error, not an absence. */
export interface ResponseStore {
  /** Replaces one of the same id. */
  put(entries: readonly { readonly scope: TenantScope; readonly stored: StoredResponse }[]): Promise<void>;
  /** @returns undefined when there is none for this tenant, or it has expired */
  get(scope: TenantScope, id: string, now: number): Promise<StoredResponse | undefined>;
  /** @returns false when there was none */
  delete(scope: TenantScope, id: string): Promise<boolean>;
  /** @returns how many there were */
  deleteExpired(now: number): Promise<number>;
}
