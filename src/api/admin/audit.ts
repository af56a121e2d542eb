import { z } from 'zod';
import type { AuditPage, AuditQuery } from '../../storage/sql/audit-trail.ts';
import { describeFault } from '../../storage/sql/audit-verification.ts';
import type { AuditLogRow } from '../../storage/sql/tenant-tables.ts';
import type { AuditChainState, AuditCheck } from '../../tenancy/audit-checks.ts';
import type { ChangeContext } from '../../tenancy/change-context.ts';
import {
  cursorOf,
  cursorText,
  listOf,
  page,
  paging,
  time,
  timeCursor,
  timeInput,
  timeOrNull,
} from './paging.ts';
import { adminRoute, NO_BODY, NO_INPUT, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

/** Faults of one response. */
const MAX_FAULTS = 100;

const auditObject = z
  .object({
    id: z.string(),
    at: z.string(),
    actor: z.string(),
    actor_name: z.string(),
    action: z.string(),
    subject: z.string(),
    details: z.looseObject({}),
    address: z.string(),
    request_id: z.string(),
    sequence: z.int().nullable().describe('Place in the chain, from 1; null for a moment after an update.'),
    hash: z.string().nullable().describe('SHA-256 of the entry and of the hash before.'),
  })
  .meta({ id: 'AuditEntry' });

const auditQuery = z.object({
  ...paging,
  id: z.string().max(200).optional().describe('Only the entry with this id.'),
  actor: z.string().max(200).optional(),
  action: z.string().max(100).optional().describe('For example `key.create`.'),
  subject: z.string().max(200).optional().describe('For example `key:key_...`.'),
  search: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('A part of any of these, of the address, the request id or the details; case is ignored.'),
  from: timeInput.optional(),
  to: timeInput.optional(),
});

const head = z.object({ sequence: z.int(), hash: z.string() });
const chainObject = z
  .object({
    object: z.literal('audit_chain'),
    from: z.int().describe('Sequence of the first entry; those before it were deleted by retention.'),
    head: head.describe('The last entry; sequence 0 before the first one.'),
    last_anchor: head
      .extend({ at: z.string() })
      .nullable()
      .describe('The head that this gateway logged last; null before its first report.'),
    check: z
      .object({
        status: z.enum(['waiting', 'running', 'valid', 'broken', 'failed']),
        started_at: z.string(),
        finished_at: z.string().nullable(),
        entries: z.int().describe('Entries that were read so far.'),
        verified_to: z.int().describe('Sequence of the last of them.'),
        faults: z
          .array(
            z.object({
              kind: z.enum(['changed', 'missing', 'order', 'cut', 'head', 'anchor']),
              sequence: z.int(),
              last_sequence: z.int(),
              id: z.string().nullable(),
              message: z.string(),
            }),
          )
          .describe(`Places where the trail is not as it was written; the first ${MAX_FAULTS}.`),
        fault_count: z.int().describe('Of all faults; at most 1000 are counted.'),
        error: z.string().nullable().describe('Why the verification has failed.'),
      })
      .nullable()
      .describe('The last verification by this gateway; null before the first.'),
  })
  .meta({ id: 'AuditChain' });

function renderAuditEntry({ at, details, ...entry }: AuditLogRow): z.output<typeof auditObject> {
  return { ...entry, at: time(at), details: JSON.parse(details) };
}

function renderChain({ start, head: last, anchor, check }: AuditChainState): z.output<typeof chainObject> {
  return {
    object: 'audit_chain',
    from: start.sequence + 1,
    head: { sequence: last.sequence, hash: last.hash },
    last_anchor: anchor ? { sequence: anchor.sequence, hash: anchor.hash, at: time(anchor.at) } : null,
    check: check ? renderCheck(check) : null,
  };
}

function renderCheck({ status, startedAt, finishedAt, entries, verifiedTo, faults, error }: AuditCheck) {
  return {
    ...{ status, started_at: time(startedAt), finished_at: timeOrNull(finishedAt ?? null) },
    ...{ entries, verified_to: verifiedTo, fault_count: faults.length, error: error ?? null },
    faults: faults.slice(0, MAX_FAULTS).map((fault) => ({
      ...{ kind: fault.kind, sequence: fault.sequence, last_sequence: fault.lastSequence ?? fault.sequence },
      ...{ id: fault.id ?? null, message: describeFault(fault) },
    })),
  };
}

/** The audit trails of the platform and of tenants, and whether they are as they were written. */
export function auditRoutes({ audit, auditChecks, auditQueue }: AdminServices): RegisteredRoute[] {
  const pageOf = async (
    read: (query: AuditQuery) => Promise<AuditPage>,
    { limit, after, ...filter }: z.output<typeof auditQuery>,
  ) => {
    const { rows, searchedTo } = await read({
      ...{ ...filter, limit: limit + 1, before: cursorOf(timeCursor, after) },
    });
    const cursor = ({ at, id }: Pick<AuditLogRow, 'at' | 'id'>) => ({ at, id });
    const found = page(rows, limit, cursor, renderAuditEntry);
    // The search was ended before the page was full: the next page goes on behind what was read.
    const next = searchedTo && !found.has_more ? { has_more: true, next: cursorText(searchedTo) } : {};
    return { body: { ...found, ...next } };
  };
  const verify = async (tenant: string | undefined, by: ChangeContext) => {
    auditChecks.begin(tenant);
    await auditQueue.record(
      tenant,
      by,
      'audit.verify',
      tenant === undefined ? 'platform' : `tenant:${tenant}`,
      {},
    );
    return { body: renderChain(await auditChecks.state(tenant)) };
  };
  const VERIFY =
    'Reads the whole trail in the background, a page at a time; the state of the chain has the progress and the result. While it runs, another request does not begin it again.';
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/audit',
      permission: 'platform:read',
      summary: 'List the audit trail of the platform: tenants and users',
      ...NO_BODY,
      query: auditQuery,
      response: listOf(auditObject, 'PlatformAuditList'),
      handle: ({ query }) => pageOf((wanted) => audit.ofPlatform(wanted), query),
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/audit/chain',
      permission: 'platform:read',
      summary: 'Get the state of the platform’s audit chain, and of its last verification',
      ...NO_INPUT,
      response: chainObject,
      handle: async () => ({ body: renderChain(await auditChecks.state(undefined)) }),
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/audit/chain/verify',
      permission: 'platform:read',
      summary: 'Verify the audit trail of the platform',
      description: VERIFY,
      ...NO_INPUT,
      response: chainObject,
      handle: ({ by }) => verify(undefined, by),
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/audit',
      permission: 'audit:read',
      summary: 'List the audit trail of a tenant, newest first',
      ...NO_BODY,
      query: auditQuery,
      response: listOf(auditObject, 'AuditList'),
      handle: ({ scope, query }) => pageOf((wanted) => audit.ofTenant(scope, wanted), query),
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/audit/chain',
      permission: 'audit:read',
      summary: 'Get the state of a tenant’s audit chain, and of its last verification',
      ...NO_INPUT,
      response: chainObject,
      handle: async ({ scope }) => ({ body: renderChain(await auditChecks.state(scope.tenant)) }),
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/tenants/:tenant/audit/chain/verify',
      permission: 'audit:read',
      summary: 'Verify the audit trail of a tenant',
      description: VERIFY,
      ...NO_INPUT,
      response: chainObject,
      handle: ({ scope, by }) => verify(scope.tenant, by),
    }),
  ];
}
