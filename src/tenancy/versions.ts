import { GatewayError } from '../core/errors.ts';

/** The version that a client has seen, where it says so: a change is refused when there is a later one. */
export type SeenVersion = number | undefined;

/** @throws GatewayError `precondition_failed` when the thing has changed since */
export function assertVersion(seen: SeenVersion, current: number): void {
  if (seen === undefined || seen === current) return;
  throw new GatewayError(
    'precondition_failed',
    `It has changed since you read it (now version ${current}, yours is ${seen}). Read it again, and decide anew.`,
    { headers: { etag: `"${current}"` } },
  );
}
