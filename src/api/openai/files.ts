import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { asString } from '../../core/json.ts';
import type { Principal } from '../../core/principal.ts';
import type { Files, NewFile } from '../../files/files.ts';
import { type StoredFile, UPLOAD_PURPOSES } from '../../files/stored-file.ts';
import { bodyPartError, streamedBody } from '../../http/body.ts';
import type { HttpContext } from '../../http/http-context.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import { boundaryOf, formParts, textOfPart } from '../../http/multipart.ts';
import { queryFields, queryOf } from '../../http/query.ts';
import { httpResponse, jsonResponse } from '../../http/response.ts';
import { NO_BODY } from '../../http/route-policy.ts';
import { ownerOf } from '../request-owner.ts';
import type { ApiServices } from '../services.ts';
import { validate } from '../validation.ts';

export const fileObject = z
  .object({
    id: z.string(),
    object: z.literal('file'),
    bytes: z.int(),
    created_at: z.int().describe('Unix seconds'),
    expires_at: z.int().nullable().describe('Unix seconds'),
    filename: z.string(),
    purpose: z.string(),
    status: z.literal('processed'),
    status_details: z.null(),
    sha256: z.string().describe('Of the content; an addition of Weir.'),
  })
  .meta({ id: 'File' });

export const fileList = z
  .object({
    object: z.literal('list'),
    data: z.array(fileObject),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
  .meta({ id: 'FileList' });

export const fileDeleted = z
  .object({ id: z.string(), object: z.literal('file'), deleted: z.literal(true) })
  .meta({ id: 'FileDeleted' });

export const fileUpload = z
  .object({
    file: z.string().describe('the content'),
    purpose: z.enum(UPLOAD_PURPOSES),
    'expires_after[anchor]': z.literal('created_at').optional(),
    'expires_after[seconds]': z.string().optional().describe('from 3600 to 2592000'),
  })
  .meta({ id: 'FileUpload' });

export const fileQuery = z.object({
  after: z.string().max(100).optional().describe('the last id of the page before'),
  limit: z.coerce.number().int().min(1).max(10_000).default(10_000),
  order: z.enum(['asc', 'desc']).default('desc'),
  purpose: z
    .string()
    .max(100)
    .regex(/^[^\0]*$/, 'contains U+0000')
    .optional(),
});

/** Bytes of a form beside its file. */
const FORM_OVERHEAD = 1024 * 1024;
const MIN_EXPIRY_SECONDS = 3_600;
const MAX_EXPIRY_SECONDS = 2_592_000;

/** @returns the file in OpenAI's form */
export function shownFile(file: StoredFile): z.infer<typeof fileObject> {
  return {
    ...{ id: file.id, object: 'file', bytes: file.bytes, filename: file.filename, purpose: file.purpose },
    created_at: Math.floor(file.createdAt / 1_000),
    expires_at: file.expiresAt === null ? null : Math.floor(file.expiresAt / 1_000),
    ...{ status: 'processed', status_details: null, sha256: file.digest },
  };
}

export function addFileRoutes(router: HttpRouter, services: ApiServices, files: Files): void {
  const { callers, clock } = services;
  const policy = { access: callers.key, body: NO_BODY };
  const uploadPolicy = { access: callers.key, body: () => files.bounds.maxSize + FORM_OVERHEAD };

  router.route('POST', '/v1/files', uploadPolicy, async ({ request, bodyLimit }, principal) => {
    const boundary = boundaryOf(request.headers.get('content-type'));
    if (boundary === undefined) {
      throw new GatewayError(
        'unsupported_media_type',
        'Send the file as a form: "content-type: multipart/form-data", with the fields "file" and "purpose".',
      );
    }
    const fields = new Map<string, string>();
    let stored: Promise<StoredFile> | undefined;
    try {
      const parts = formParts(streamedBody(request, bodyLimit), boundary);
      for await (const part of parts) {
        if (part.name !== 'file') {
          fields.set(part.name, await textOfPart(part));
          continue;
        }
        if (stored) throw invalid('The form has more than one "file".', 'file');
        const filename = part.filename ?? 'file';
        stored = files.upload(ownerOf(principal), part.content, async () => {
          // Fields may come after the file.
          for await (const other of parts) {
            if (other.name === 'file') throw invalid('The form has more than one "file".', 'file');
            fields.set(other.name, await textOfPart(other));
          }
          return newFile(fields, filename, clock.wallTime(), files.bounds.keepMs);
        });
        await stored;
        break;
      }
    } catch (error) {
      throw bodyPartError(error);
    }
    if (!stored) throw invalid('The form has no "file".', 'file');
    return jsonResponse(request, 200, JSON.stringify(shownFile(await stored)), {});
  });

  router.route('GET', '/v1/files', policy, async ({ request }, { tenant }) => {
    const { after, limit, order, purpose } = validate(fileQuery, queryFields(queryOf(request)));
    const last = after === undefined ? undefined : await files.get(tenant, after);
    const page = await files.list({ tenant, order, purpose, after: last, limit: limit + 1 });
    return jsonResponse(request, 200, JSON.stringify(listOf(page.map(shownFile), limit)), {});
  });

  const find = ({ params }: HttpContext, { tenant }: Principal) => files.get(tenant, params.file ?? '');
  router.route('GET', '/v1/files/:file', policy, async (httpContext, principal) => {
    const file = await find(httpContext, principal);
    return jsonResponse(httpContext.request, 200, JSON.stringify(shownFile(file)), {});
  });
  router.route('GET', '/v1/files/:file/content', policy, async (httpContext, principal) => {
    const file = await find(httpContext, principal);
    return httpResponse(200, bodyOf(await files.open(file)), {
      'content-type': 'application/octet-stream',
      'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(file.filename)}`,
    });
  });
  router.route('DELETE', '/v1/files/:file', policy, async ({ request, params }, { tenant }) => {
    const id = params.file ?? '';
    await files.delete(tenant, id);
    return jsonResponse(request, 200, JSON.stringify({ id, object: 'file', deleted: true }), {});
  });
}

/** @param page one more than are shown, where there are more @returns a page in OpenAI's form */
export function listOf<Item extends { readonly id: string }>(page: readonly Item[], limit: number) {
  const data = page.slice(0, limit);
  return {
    ...{ object: 'list', data },
    ...{ first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: page.length > limit },
  };
}

/** @returns a body that reads while it is sent, as fast as its client takes it */
export function bodyOf(content: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = content[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(Uint8Array.from(value));
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}

function newFile(
  fields: ReadonlyMap<string, string>,
  filename: string,
  now: number,
  keepMs: number | null,
): NewFile {
  const purpose = UPLOAD_PURPOSES.find((one) => one === fields.get('purpose'));
  if (purpose === undefined) {
    throw invalid(`"purpose" must be one of ${UPLOAD_PURPOSES.join(', ')}.`, 'purpose');
  }
  const anchor = asString(fields.get('expires_after[anchor]'));
  const given = fields.get('expires_after[seconds]');
  if (anchor !== undefined && anchor !== 'created_at') {
    throw invalid('"expires_after[anchor]" must be created_at.', 'expires_after[anchor]');
  }
  if (given === undefined) return { purpose, filename, expiresAt: keepMs === null ? null : now + keepMs };
  const seconds = /^\d{1,10}$/.test(given) ? Number(given) : Number.NaN;
  if (!(seconds >= MIN_EXPIRY_SECONDS && seconds <= MAX_EXPIRY_SECONDS)) {
    throw invalid(
      `"expires_after[seconds]" must be from ${MIN_EXPIRY_SECONDS} to ${MAX_EXPIRY_SECONDS}.`,
      'expires_after[seconds]',
    );
  }
  return { purpose, filename, expiresAt: now + seconds * 1_000 };
}

function invalid(message: string, param: string): GatewayError {
  return new GatewayError('invalid_request', message, { param });
}
