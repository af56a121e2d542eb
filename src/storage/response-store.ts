import { asString, records } from '../core/json.ts';
import type { TenantScope } from './tenant-scope.ts';

type Item = Readonly<Record<string, unknown>>;

/** A response of the Responses API that a later request may continue. Times are Unix milliseconds. */
export interface StoredResponse {
  readonly id: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** All input items of the request, those of earlier responses included. */
  readonly input: readonly Item[];
  /** The response object as the client received it. */
  readonly response: Item;
  /** True when the upstream also stores it, under the same id. */
  readonly native: boolean;
}

/** The output of a stored response, without the conversation before it. */
export type StoredOutput = Pick<StoredResponse, 'id' | 'response' | 'native'>;

/** @returns the ids of the output items of a response */
export function outputItemIds({ output }: Item): string[] {
  return records(output).flatMap(({ id }) => asString(id) ?? []);
}

/**
 * Stores responses by tenant. Fails closed: an unreachable store is an error, never an absent response.
 * `response-store-conformance.ts` runs the same suite on every implementation.
 */
export interface ResponseStore {
  /** Stores all responses, or none; one with the same id is replaced. @throws Error when unreachable */
  put(scope: TenantScope, stored: readonly StoredResponse[]): Promise<void>;
  /**
   * @param now Unix milliseconds
   * @returns undefined when the tenant has no such response, or it has expired
   * @throws Error when the store is unreachable or the entry is damaged
   */
  get(scope: TenantScope, id: string, now: number): Promise<StoredResponse | undefined>;
  /**
   * Finds responses by their output items.
   * @param itemIds at most 1,000
   * @param now Unix milliseconds
   * @returns each response once; without those that have expired, or that an earlier version has stored
   * @throws Error when the store is unreachable or an entry is damaged
   */
  outputsOf(scope: TenantScope, itemIds: readonly string[], now: number): Promise<StoredOutput[]>;
  /** @returns false when the tenant has no such response. @throws Error when the store is unreachable */
  delete(scope: TenantScope, id: string): Promise<boolean>;
}
