import { z } from 'zod';
import type { Limit } from '../core/limit.ts';
import { limitList, limitOf } from '../core/limit-schema.ts';
import { cachePolicyDocument } from './cache-policy-document.ts';
import { storedGuardrails } from './guardrail-documents.ts';
import { ROLES } from './permissions.ts';
import { requestLogDocument } from './request-log-document.ts';
import { residencyDocument } from './residency-document.ts';
import { retentionDocument } from './retention.ts';

/** JSON columns of tenants, keys and members. They are validated at each read, because an operator may have edited them. */

export const scopesDocument = z.strictObject({
  models: z.array(z.string()).optional(),
  endpoints: z.array(z.string()).optional(),
  addresses: z.array(z.string()).optional(),
  max_output_tokens: z.int().min(1).optional(),
  guardrails: storedGuardrails.optional(),
});
export type ScopesDocument = z.infer<typeof scopesDocument>;

export const tenantDocument = z.strictObject({
  time_zone: z.string().default('UTC'),
  limits: limitList.default([]),
  tag_limits: z.record(z.string(), limitList).default({}),
  /** Share of the slots of busy models, relative to the weights of other tenants. */
  weight: z.number().int().min(1).max(100).default(1),
  // Absent where the tenant has none: gateways of an earlier version reject members that they do not know.
  retention: retentionDocument.optional(),
  /** The most output tokens of one request. */
  max_output_tokens: z.int().min(1).optional(),
  /** Responses have `metadata`. */
  response_metadata: z.literal(true).optional(),
  /** Each inference request is an entry of the audit trail. */
  audit_requests: z.literal(true).optional(),
  cache: cachePolicyDocument.optional(),
  /** Guardrails that hold for its requests, in addition to those of the gateway. */
  guardrails: storedGuardrails.optional(),
  /** Absent where prompts and responses are not logged. */
  request_log: requestLogDocument.optional(),
  /** Absent where every region may serve it. */
  residency: residencyDocument.optional(),
});
export type TenantDocument = z.infer<typeof tenantDocument>;

export const MEMBER_KINDS = ['user', 'service_account'] as const;
export const STATUSES = ['active', 'suspended'] as const;

/** A key, as every gateway holds it in memory. Times are Unix milliseconds. */
export const keyDocument = z.strictObject({
  id: z.string(),
  kind: z.enum(['admin', 'api_key']),
  name: z.string(),
  member: z.string().nullable(),
  scopes: scopesDocument,
  limits: limitList,
  expires_at: z.number().nullable(),
  revoked_at: z.number().nullable(),
  /** Absent where it is false: replicas of an older version reject a document that has it, and so a key that is paused. */
  paused: z.literal(true).optional(),
});
export type KeyDocument = z.infer<typeof keyDocument>;

/** A member, as every gateway holds it in memory. */
export const memberDocument = z.strictObject({
  kind: z.enum(MEMBER_KINDS),
  name: z.string(),
  role: z.enum(ROLES),
  status: z.enum([...STATUSES, 'removed']),
  limits: limitList,
});
export type MemberDocument = z.infer<typeof memberDocument>;

/**
 * @param what named in the error, such as `tenant acme`
 * @throws Error when the text is not valid JSON or does not match the schema
 */
export function parseDocument<T>(schema: z.ZodType<T>, text: string, what: string): T {
  const result = schema.safeParse(JSON.parse(text));
  if (result.success) return result.data;
  throw new Error(`${what} is damaged: ${z.prettifyError(result.error)}`);
}

/** @returns the limits as the gateway uses them */
export function limitsOf(documents: z.infer<typeof limitList>): readonly Limit[] {
  return documents.map(limitOf);
}

export { limitList as limitDocuments } from '../core/limit-schema.ts';
