import type { Clock } from '../core/clock.ts';
import type { AuditRow } from '../storage/sql/tenant-tables.ts';
import type { Actor } from './actor.ts';

/** Who makes a change, and on whose request: what the audit trail keeps beside it. */
export interface ChangeContext {
  readonly actor: Actor;
  readonly address: string;
  readonly requestId: string;
}

/** Where time and names of new things come from. */
export interface Sources {
  readonly clock: Clock;
  /** A new id, such as `key_...` for `key`. */
  readonly newId: (prefix: string) => string;
}

/** An entry of the audit trail. `details` never holds a secret. */
export function auditEntry(
  { clock, newId }: Sources,
  { actor, address, requestId }: ChangeContext,
  action: string,
  subject: string,
  details: Readonly<Record<string, unknown>> = {},
): AuditRow {
  return {
    id: newId('aud'),
    at: clock.wallTime(),
    actor: actor.id,
    actor_name: actor.name,
    action,
    subject,
    details: JSON.stringify(details),
    address,
    request_id: requestId,
  };
}

/** The fields that a change has changed, as they were and as they are. */
export function differences(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): Record<string, { readonly from: unknown; readonly to: unknown }> {
  const changed: Record<string, { from: unknown; to: unknown }> = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (JSON.stringify(before[name]) !== JSON.stringify(after[name])) {
      changed[name] = { from: before[name] ?? null, to: after[name] ?? null };
    }
  }
  return changed;
}
