import { GatewayError } from '../core/errors.ts';

/** The version in the client's `if-match` header; undefined without one. A change of a later version is rejected. */
export type SeenVersion = number | undefined;

/** @throws GatewayError `precondition_failed` with the current version as `etag`, when it has changed since */
export function assertVersion(seen: SeenVersion, current: number): void {
  if (seen === undefined || seen === current) return;
  throw new GatewayError(
    'precondition_failed',
    `Changed since you read it: now version ${current}, yours is ${seen}. Read it again and repeat the change.`,
    { headers: { etag: `"${current}"` } },
  );
}
