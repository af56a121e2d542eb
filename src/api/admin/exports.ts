import { z } from 'zod';
import type { ExportProgressView, ExportView, TenantExportView } from '../../exports/export-control.ts';
import { cursorOf, idCursor, listOf, page, paging, time, timeInput, timeOrNull } from './paging.ts';
import { adminRoute, NO_BODY, NO_INPUT, NO_QUERY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const TEST_DEADLINE_MS = 30_000;

const progress = {
  sent: z.int().describe('Records that the receiver acknowledged.'),
  dropped: z.int().describe('Records that the receiver never accepts, or that cannot be read.'),
  last_sent_at: z.string().nullable(),
  last_error: z
    .object({ message: z.string(), at: z.string(), tenant: z.string() })
    .nullable()
    .describe(
      'Of the last attempt, where it failed; without credentials. `tenant` is empty where the export cannot run as it is configured.',
    ),
  waiting: z
    .object({
      records: z.int().describe('For usage, those of rejected requests are counted too, which are not sent.'),
      more: z.boolean().describe('There are more than were counted.'),
      oldest_at: z.string().nullable(),
    })
    .describe('What is stored and not sent yet.'),
};
const about = {
  id: z.string(),
  type: z.enum(['files', 'http', 'otlp', 'kafka_rest', 'langfuse', 'datadog']),
  source: z.enum(['usage', 'request_log']),
  destination: z.string().describe('The location of files, or the origin of the URL.'),
  state: z.enum(['active', 'failing', 'paused']),
};
const exportObject = z
  .object({
    ...about,
    tenants: z.array(z.string()).describe('Empty for all.'),
    paused_at: z.string().nullable(),
    started_at: z
      .string()
      .nullable()
      .describe('Null until a gateway has run it. Earlier records are not sent.'),
    failing_tenants: z.int(),
    ...progress,
  })
  .meta({ id: 'Export' });
const tenantExport = z
  .object({
    ...about,
    tenant: z.string(),
    failures: z.int().describe('Attempts since the last success.'),
    next_attempt_at: z.string().nullable(),
    ...progress,
  })
  .meta({ id: 'TenantExport' });
const exportList = z
  .object({ object: z.literal('list'), data: z.array(exportObject) })
  .meta({ id: 'ExportList' });
const tenantExportList = z
  .object({ object: z.literal('list'), data: z.array(tenantExport) })
  .meta({ id: 'TenantExportList' });
const progressList = listOf(tenantExport, 'ExportProgressList');
const testObject = z
  .object({
    delivered: z.boolean(),
    error: z.string().nullable(),
    detail: z.string().nullable().describe('The beginning of the response of a receiver that rejected it.'),
    duration_ms: z.int(),
  })
  .meta({ id: 'ExportTest' });
const rewindBody = z
  .strictObject({
    from: timeInput.describe('Records from then on are sent again.'),
    tenant: z.string().min(1).max(100).optional().describe('One tenant of the export. Default: all.'),
  })
  .meta({ id: 'ExportRewind', example: { from: '2026-11-30T00:00:00Z' } });

/** Routes of the exports that the configuration has. */
export function exportRoutes({ exports: load, auditQueue }: AdminServices): RegisteredRoute[] {
  const root = '/admin/v1/exports';
  const one = `${root}/:export`;
  return [
    adminRoute({
      method: 'GET',
      path: root,
      permission: 'platform:read',
      summary: 'List exports, with their progress',
      ...NO_INPUT,
      response: exportList,
      handle: async () => ({ body: { object: 'list', data: (await (await load()).list()).map(render) } }),
    }),
    adminRoute({
      method: 'GET',
      path: one,
      permission: 'platform:read',
      summary: 'Get an export, with its progress',
      ...NO_INPUT,
      response: exportObject,
      handle: async ({ params }) => ({ body: render(await (await load()).get(params.export ?? '')) }),
    }),
    adminRoute({
      method: 'GET',
      path: `${one}/tenants`,
      permission: 'platform:read',
      summary: 'List the progress of an export by tenant',
      ...NO_BODY,
      query: z.object(paging),
      response: progressList,
      handle: async ({ params, query: { limit, after } }) => {
        const control = await load();
        const found = await control.tenants(params.export ?? '', cursorOf(idCursor, after), limit + 1);
        return { body: page(found, limit, ({ tenant }) => tenant, renderOfTenant) };
      },
    }),
    adminRoute({
      method: 'POST',
      path: `${one}/test`,
      permission: 'platform:write',
      summary: 'Send one record to the receiver of an export',
      description: 'It is of a tenant named `test`, and has no usage.',
      ...NO_INPUT,
      response: testObject,
      handle: async ({ params: { export: id = '' }, by }) => {
        const { error, detail, durationMs } = await (await load()).test(
          id,
          AbortSignal.timeout(TEST_DEADLINE_MS),
        );
        const delivered = error === null;
        await auditQueue.record(undefined, by, 'export.test', `export:${id}`, { delivered });
        return { body: { delivered, error, detail, duration_ms: durationMs } };
      },
    }),
    adminRoute({
      method: 'POST',
      path: `${one}/pause`,
      permission: 'platform:write',
      summary: 'Pause an export',
      description: 'All gateways stop after the batch that they send. Nothing is lost within the retention.',
      ...NO_INPUT,
      response: exportObject,
      handle: async ({ params: { export: id = '' }, by }) => {
        const view = await (await load()).pause(id);
        await auditQueue.record(undefined, by, 'export.pause', `export:${id}`);
        return { body: render(view) };
      },
    }),
    adminRoute({
      method: 'POST',
      path: `${one}/resume`,
      permission: 'platform:write',
      summary: 'Resume an export that is paused',
      description: 'It continues where it was.',
      ...NO_INPUT,
      response: exportObject,
      handle: async ({ params: { export: id = '' }, by }) => {
        const view = await (await load()).resume(id);
        await auditQueue.record(undefined, by, 'export.resume', `export:${id}`);
        return { body: render(view) };
      },
    }),
    adminRoute({
      method: 'POST',
      path: `${one}/rewind`,
      permission: 'platform:write',
      summary: 'Send records of an export again, from a time',
      description: 'Receivers drop repetitions by the ids of records, which stay the same.',
      body: rewindBody,
      ...NO_QUERY,
      response: exportObject,
      handle: async ({ params: { export: id = '' }, body: { from, tenant }, by }) => {
        const view = await (await load()).rewind(id, from, tenant);
        const details = { from: time(from), tenant };
        await auditQueue.record(undefined, by, 'export.rewind', `export:${id}`, details);
        return { body: render(view) };
      },
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/exports',
      permission: 'events:read',
      summary: 'List the exports that send records of a tenant',
      ...NO_INPUT,
      response: tenantExportList,
      handle: async ({ scope }) => {
        const found = await (await load()).ofTenant(scope.tenant);
        return { body: { object: 'list', data: found.map(renderOfTenant) } };
      },
    }),
  ];
}

function render(view: ExportView): z.output<typeof exportObject> {
  const { settings, destination, state, pausedAt, startedAt, failingTenants } = view;
  const { id, type, source, tenants } = settings;
  return {
    ...{ id, type, source, destination, state, tenants: [...tenants] },
    ...{ paused_at: timeOrNull(pausedAt), started_at: timeOrNull(startedAt) },
    failing_tenants: failingTenants,
    ...renderProgress(view),
  };
}

function renderOfTenant(view: TenantExportView): z.output<typeof tenantExport> {
  const { settings, destination, state, tenant, failures, nextAttemptAt } = view;
  const { id, type, source } = settings;
  return {
    ...{ id, type, source, destination, state, tenant, failures },
    next_attempt_at: timeOrNull(nextAttemptAt),
    ...renderProgress(view),
  };
}

function renderProgress({ sent, dropped, lastSentAt, error, waiting }: ExportProgressView) {
  return {
    ...{ sent, dropped, last_sent_at: timeOrNull(lastSentAt) },
    last_error: error && { ...error, at: time(error.at) },
    waiting: { records: waiting.records, more: waiting.isMore, oldest_at: timeOrNull(waiting.oldestAt) },
  };
}
