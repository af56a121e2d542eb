import type { Insertable, Selectable } from 'kysely';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { TenantTables } from '../storage/sql/tenant-tables.ts';
import type { TenantScope } from '../storage/tenant-scope.ts';
import { type KeyDocument, type MemberDocument, memberDocument } from './documents.ts';

export type KeyRow = Selectable<TenantTables['api_keys']>;
export type MemberRow = Selectable<TenantTables['members']>;

/** A row without its revision, which is assigned when the row is written. */
export type KeyIndexEntry = Omit<Insertable<ControlTables['key_index']>, 'revision'>;

/** @returns the rows that replicas read: one for the key's secret and, after a rotation, one for the previous secret */
export function keyIndexRows({ tenant }: TenantScope, key: KeyRow): KeyIndexEntry[] {
  const document: KeyDocument = {
    id: key.id,
    kind: key.kind === 'admin' ? 'admin' : 'api_key',
    name: key.name,
    member: key.member,
    scopes: JSON.parse(key.scopes),
    limits: JSON.parse(key.limits),
    expires_at: key.expires_at,
    revoked_at: key.revoked_at,
    ...(key.paused_at === null ? {} : { paused: true }),
  };
  const entry = (digest: string, of: KeyDocument): KeyIndexEntry => ({
    digest,
    id: key.id,
    tenant,
    document: JSON.stringify(of),
    version: key.version,
    deleted: 0,
  });
  const entries = [entry(key.digest, document)];
  if (key.previous_digest !== null && key.previous_expires_at !== null) {
    const expires_at = Math.min(key.previous_expires_at, key.expires_at ?? Number.POSITIVE_INFINITY);
    entries.push(entry(key.previous_digest, { ...document, expires_at }));
  }
  return entries;
}

/** @returns the row that replicas read */
export function memberIndexRow({ tenant }: TenantScope, member: MemberRow) {
  const document: MemberDocument = memberDocument.parse({
    kind: member.kind,
    name: member.name,
    role: member.role,
    status: member.status,
    limits: JSON.parse(member.limits),
  });
  return {
    tenant,
    member: member.id,
    document: JSON.stringify(document),
    version: member.version,
    deleted: member.status === 'removed' ? 1 : 0,
  };
}
