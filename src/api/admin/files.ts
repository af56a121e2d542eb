import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { fileOf, type StoredFile } from '../../files/stored-file.ts';
import { ObjectMissingError } from '../../platform/object-storage/object-storage.ts';
import { creatorOfResults, listAllFiles } from '../../storage/sql/work-lists.ts';
import { bodyOf } from '../openai/files.ts';
import { listOf, time, timeOrNull } from './paging.ts';
import { adminRoute, NO_BODY, NO_INPUT, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';
import { assertOwnOr, isOwn, pageOfWork, workPage, workQuery } from './work-owner.ts';

const file = z
  .object({
    id: z.string(),
    tenant: z.string(),
    key: z.string().nullable().describe('Id of the key that created it; null for a file that Weir wrote.'),
    user: z.string().nullable().describe('Id of the member who created it; null for a key without a member.'),
    purpose: z.string(),
    filename: z.string(),
    bytes: z.int(),
    sha256: z.string(),
    created_at: z.string(),
    expires_at: z.string().nullable(),
  })
  .meta({ id: 'TenantFile' });

function shown(stored: StoredFile): z.output<typeof file> {
  const { id, tenant, keyId, member, purpose, filename, bytes, digest, createdAt, expiresAt } = stored;
  return {
    ...{ id, tenant, key: keyId === '' ? null : keyId, user: member, purpose, filename, bytes },
    ...{ sha256: digest, created_at: time(createdAt), expires_at: timeOrNull(expiresAt) },
  };
}

/** Routes with files: of all tenants that the caller sees, and of one. They are uploaded at `/v1/files`. */
export function fileRoutes({ access, clock, control, files, auditQueue }: AdminServices): RegisteredRoute[] {
  const base = '/admin/v1/tenants/:tenant/files/:file';
  /** The results of a batch belong to its creator. */
  const find = async (tenant: string, id: string | undefined) => {
    const stored = await files.get(tenant, id ?? '');
    const creator = stored.keyId === '' ? await creatorOfResults(control, tenant, stored.id) : undefined;
    return { stored, owned: { tenant, member: creator?.member ?? stored.member } };
  };
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/files',
      permission: null,
      summary: 'List files, the latest first',
      description:
        'Those of all tenants in which the caller has the permission `usage:read`. They are uploaded at `/v1/files`.',
      ...NO_BODY,
      query: z.object({ ...workQuery, purpose: z.string().min(1).max(100).optional() }),
      response: listOf(file, 'TenantFileList'),
      handle: async ({ actor, query }) => {
        const wanted = { ...workPage(actor, access, 'usage:read', query), purpose: query.purpose };
        const rows = await listAllFiles(control, wanted, clock.wallTime());
        return { body: pageOfWork(rows.map(fileOf), query.limit, shown) };
      },
    }),
    adminRoute({
      method: 'GET',
      path: base,
      permission: 'usage:read',
      summary: 'Get a file, without its content',
      ...NO_INPUT,
      response: file,
      handle: async ({ scope, params }) => ({
        body: shown(await files.get(scope.tenant, params.file ?? '')),
      }),
    }),
    adminRoute({
      method: 'GET',
      path: `${base}/content`,
      permission: 'usage:read',
      summary: 'Download the content of a file',
      description:
        'Needs the permission `requests:read` for a file of someone else; each such call becomes an entry of the audit trail.',
      ...NO_INPUT,
      handle: async ({ actor, scope, params, by }) => {
        const { stored, owned } = await find(scope.tenant, params.file);
        assertOwnOr('requests:read', actor, owned);
        const content = await files.open(stored).catch((error: unknown) => {
          if (!(error instanceof ObjectMissingError)) throw error;
          throw new GatewayError('not_found', `The content of the file "${stored.id}" is lost.`, {
            cause: error,
          });
        });
        if (!isOwn(actor, owned)) {
          await auditQueue.record(scope.tenant, by, 'file.read', `file:${stored.id}`, {
            ...{ filename: stored.filename, bytes: stored.bytes },
          });
        }
        return {
          stream: { type: 'application/octet-stream', body: bodyOf(content) },
          headers: {
            'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(stored.filename)}`,
          },
        };
      },
    }),
    adminRoute({
      method: 'DELETE',
      path: base,
      permission: 'usage:read',
      summary: 'Delete a file',
      description:
        'Not while a batch reads it. Needs the permission `limits:write` for a file of someone else.',
      ...NO_INPUT,
      status: 204,
      handle: async ({ actor, scope, params, by }) => {
        const { stored, owned } = await find(scope.tenant, params.file);
        assertOwnOr('limits:write', actor, owned);
        await files.delete(scope.tenant, stored.id);
        await auditQueue.record(scope.tenant, by, 'file.delete', `file:${stored.id}`, {
          ...{ filename: stored.filename, bytes: stored.bytes },
        });
        return {};
      },
    }),
  ];
}
