import type { Clock } from '../core/clock.ts';
import type { AuditEntry } from '../storage/sql/tenant-tables.ts';
import type { Actor } from './actor.ts';

/** The origin of a change, as the audit trail records it. */
export interface ChangeContext {
  readonly actor: Actor;
  /** IP address of the client. */
  readonly address: string;
  readonly requestId: string;
}

/** Sources of time and ids. */
export interface Sources {
  readonly clock: Clock;
  /** @returns a new id, such as `key_...` for the prefix `key` */
  readonly newId: (prefix: string) => string;
}

/**
 * @param action such as `key.create`
 * @param subject such as `key:<id>`
 * @param details never contain a secret
 * @returns an entry of the audit trail, to be written in the transaction of the change
 */
export function auditEntry(
  { clock, newId }: Sources,
  { actor, address, requestId }: ChangeContext,
  action: string,
  subject: string,
  details: Readonly<Record<string, unknown>> = {},
): AuditEntry {
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

/** @returns the fields whose values differ, with both values */
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
