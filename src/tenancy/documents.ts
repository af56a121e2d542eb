import { z } from 'zod';
import type { Limit } from '../core/limit.ts';
import { limitList, limitOf } from '../core/limit-schema.ts';
import { ROLES } from './permissions.ts';

/** What is kept as JSON beside the columns; checked whenever it is read, since a person may have edited it. */

export const scopesDocument = z.strictObject({
  models: z.array(z.string()).optional(),
  endpoints: z.array(z.string()).optional(),
  addresses: z.array(z.string()).optional(),
});
export type ScopesDocument = z.infer<typeof scopesDocument>;

export const tenantDocument = z.strictObject({
  time_zone: z.string().default('UTC'),
  limits: limitList.default([]),
  tag_limits: z.record(z.string(), limitList).default({}),
  /** Places at busy models are shared in proportion to these. */
  weight: z.number().int().min(1).max(100).default(1),
});
export type TenantDocument = z.infer<typeof tenantDocument>;

export const MEMBER_KINDS = ['user', 'service_account'] as const;
export const STATUSES = ['active', 'suspended'] as const;

/** What every replica knows of a key. */
export const keyDocument = z.strictObject({
  id: z.string(),
  kind: z.enum(['admin', 'api_key']),
  name: z.string(),
  member: z.string().nullable(),
  scopes: scopesDocument,
  limits: limitList,
  expires_at: z.number().nullable(),
  revoked_at: z.number().nullable(),
});
export type KeyDocument = z.infer<typeof keyDocument>;

/** What every replica knows of a member. */
export const memberDocument = z.strictObject({
  kind: z.enum(MEMBER_KINDS),
  name: z.string(),
  role: z.enum(ROLES),
  status: z.enum([...STATUSES, 'removed']),
  limits: limitList,
});
export type MemberDocument = z.infer<typeof memberDocument>;

/** @throws Error naming what is damaged */
export function parseDocument<T>(schema: z.ZodType<T>, text: string, what: string): T {
  const result = schema.safeParse(JSON.parse(text));
  if (result.success) return result.data;
  throw new Error(`${what} is damaged: ${z.prettifyError(result.error)}`);
}

export function limitsOf(documents: z.infer<typeof limitList>): readonly Limit[] {
  return documents.map(limitOf);
}

export { limitList as limitDocuments } from '../core/limit-schema.ts';
