import { sha256Hex } from '../../platform/hash.ts';

/** What has to be equal before two questions are compared at all. */
export interface PartitionParts {
  readonly tenant: string;
  readonly namespace: string;
  /** Names the model with its targets and all else that decides where the request may go, as JSON text. */
  readonly route: string;
  /** The request without the text of its last message, as JSON text: instructions, tools, parameters, earlier turns. */
  readonly rest: string;
  /** The model that made the vectors. */
  readonly embedder: string;
}

/** Version of how questions are read. A change makes entries of their own. */
const READING = 1;

/** @returns the name of the entries that a request may be compared with */
export function partitionKey({ tenant, namespace, route, rest, embedder }: PartitionParts): string {
  return sha256Hex(JSON.stringify(['semantic', READING, tenant, namespace, route, rest, embedder]));
}
