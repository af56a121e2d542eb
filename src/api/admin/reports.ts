import { z } from 'zod';
import { reportDocument } from '../../reports/report-document.ts';
import { REPORT_PERIODS } from '../../reports/report-period.ts';
import type { Report } from '../../reports/report-store.ts';
import { reportCsv } from '../../reports/report-text.ts';
import { type ReportSchedule, scheduleSettings } from '../../reports/schedules.ts';
import { cursorOf, listOf, page, paging, time, timeCursor } from './paging.ts';
import { adminRoute, NO_BODY, NO_INPUT, NO_QUERY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const scheduleObject = z
  .object({
    name: z.string(),
    period: z.enum(REPORT_PERIODS),
    recipients: z.array(z.string()),
    files: z.boolean(),
    enabled: z.boolean(),
    id: z.string(),
    tenant: z.string().nullable().describe('Null for a schedule of the installation.'),
    next_at: z.string().describe('End of the period whose report is made next, a few minutes after it.'),
    created_by: z.string(),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .meta({ id: 'ReportSchedule' });
const newBody = scheduleSettings.meta({
  id: 'NewReportSchedule',
  example: { name: 'Monthly cost', period: 'monthly', recipients: ['finance@example.com'] },
});
const changeBody = z
  .strictObject({
    name: scheduleSettings.shape.name.optional(),
    period: scheduleSettings.shape.period.optional(),
    recipients: scheduleSettings.shape.recipients.unwrap().optional(),
    files: z.boolean().optional(),
    enabled: z.boolean().optional(),
  })
  .meta({ id: 'ReportScheduleChange', example: { enabled: false } });

const summary = z.object({
  id: z.string(),
  tenant: z.string().nullable(),
  schedule: z.string(),
  name: z.string(),
  period: z.enum(REPORT_PERIODS),
  label: z.string(),
  from: z.string(),
  to: z.string(),
  cost: z.string().describe('US dollars, as an exact decimal.'),
  previous_cost: z.string(),
  hints: z.int(),
  created_at: z.string(),
  mailed: z.array(z.string()).describe('Addresses that it was sent to.'),
});
const reportObject = summary.extend({ document: reportDocument }).meta({ id: 'Report' });
const scheduleList = z
  .object({ object: z.literal('list'), data: z.array(scheduleObject) })
  .meta({ id: 'ReportScheduleList' });
const reportList = listOf(summary, 'ReportList');
const documentObject = reportDocument.meta({ id: 'ReportDocument' });
const format = z.enum(['json', 'csv']).default('json');
const previewQuery = z.object({
  period: z.enum(REPORT_PERIODS).default('monthly'),
  day: z.iso.date().optional().describe('A day in the period. Default: the last complete period.'),
  format,
});

/** Routes of the reports of a tenant, and of all tenants. */
export function reportRoutes(services: AdminServices): RegisteredRoute[] {
  return [
    ...routesAt(services, '/admin/v1/tenants/:tenant', 'a tenant', 'usage:read', 'billing:write'),
    ...routesAt(services, '/admin/v1', 'all tenants', 'tenants:list', 'platform:write'),
  ];
}

function routesAt(
  { reports: load }: AdminServices,
  root: string,
  whose: string,
  read: 'usage:read' | 'tenants:list',
  write: 'billing:write' | 'platform:write',
): RegisteredRoute[] {
  const ownerOf = ({ tenant }: { readonly tenant: string }) => (tenant === '' ? null : tenant);
  const schedules = `${root}/report-schedules`;
  return [
    adminRoute({
      method: 'GET',
      path: schedules,
      permission: read,
      summary: `List the schedules of reports of ${whose}`,
      ...NO_INPUT,
      response: scheduleList,
      handle: async ({ scope }) => {
        const found = await (await load()).schedules.list(ownerOf(scope));
        return { body: { object: 'list', data: found.map(renderSchedule) } };
      },
    }),
    adminRoute({
      method: 'POST',
      path: schedules,
      permission: write,
      summary: `Schedule reports of ${whose}`,
      body: newBody,
      ...NO_QUERY,
      response: scheduleObject,
      status: 201,
      handle: async ({ scope, body, by }) => {
        const made = await (await load()).schedules.create(ownerOf(scope), body, by);
        return { body: renderSchedule(made), version: made.version };
      },
    }),
    adminRoute({
      method: 'GET',
      path: `${schedules}/:schedule`,
      permission: read,
      summary: `Get a schedule of reports of ${whose}`,
      ...NO_INPUT,
      response: scheduleObject,
      handle: async ({ scope, params: { schedule = '' } }) => {
        const found = await (await load()).schedules.get(ownerOf(scope), schedule);
        return { body: renderSchedule(found), version: found.version };
      },
    }),
    adminRoute({
      method: 'PATCH',
      path: `${schedules}/:schedule`,
      permission: write,
      summary: `Change a schedule of reports of ${whose}`,
      body: changeBody,
      ...NO_QUERY,
      response: scheduleObject,
      handle: async ({ scope, params: { schedule = '' }, body, seen, by }) => {
        const changed = await (await load()).schedules.update(ownerOf(scope), schedule, body, seen, by);
        return { body: renderSchedule(changed), version: changed.version };
      },
    }),
    adminRoute({
      method: 'DELETE',
      path: `${schedules}/:schedule`,
      permission: write,
      summary: `Delete a schedule of reports of ${whose}`,
      description: 'Its reports stay.',
      ...NO_INPUT,
      status: 204,
      handle: async ({ scope, params: { schedule = '' }, seen, by }) => {
        await (await load()).schedules.remove(ownerOf(scope), schedule, seen, by);
        return {};
      },
    }),
    adminRoute({
      method: 'GET',
      path: `${root}/reports`,
      permission: read,
      summary: `List the reports of ${whose}`,
      ...NO_BODY,
      query: z.object(paging),
      response: reportList,
      handle: async ({ scope, query: { limit, after } }) => {
        const { reports } = await load();
        const found = await reports.list(ownerOf(scope), limit + 1, cursorOf(timeCursor, after));
        return { body: page(found, limit, ({ createdAt, id }) => ({ at: createdAt, id }), renderSummary) };
      },
    }),
    adminRoute({
      method: 'GET',
      path: `${root}/reports/:report`,
      permission: read,
      summary: `Get a report of ${whose}`,
      ...NO_BODY,
      query: z.object({ format }),
      response: reportObject,
      handle: async ({ scope, params: { report = '' }, query }) => {
        const found = await (await load()).reports.get(ownerOf(scope), report);
        if (query.format === 'csv') return csv(found.document);
        return { body: { ...renderSummary(found), document: found.document } };
      },
    }),
    adminRoute({
      method: 'GET',
      path: `${root}/report-preview`,
      permission: read,
      summary: `Make a report of ${whose} without storing it`,
      ...NO_BODY,
      query: previewQuery,
      response: documentObject,
      handle: async ({ scope, query: { period, day, format: wanted } }) => {
        const { preview } = await load();
        // Noon of UTC is in the same day of nearly every zone.
        const at = day === undefined ? undefined : Date.parse(`${day}T12:00:00Z`);
        const document = await preview(ownerOf(scope), period, at);
        return wanted === 'csv' ? csv(document) : { body: document };
      },
    }),
  ];
}

function csv(document: Report['document']) {
  const file = `report-${document.label}.csv`;
  return {
    text: { type: 'text/csv; charset=utf-8', body: reportCsv(document) },
    headers: { 'content-disposition': `attachment; filename="${file}"` },
  };
}

function renderSchedule(one: ReportSchedule): z.output<typeof scheduleObject> {
  const { id, tenant, name, period, recipients, files, enabled, createdBy, createdAt, updatedAt } = one;
  return {
    ...{ id, tenant, name, period, recipients, files, enabled, next_at: time(one.nextEnd) },
    ...{ created_by: createdBy, created_at: time(createdAt), updated_at: time(updatedAt) },
  };
}

function renderSummary({ document, ...report }: Report): z.output<typeof summary> {
  const { id, tenant, schedule, name, from, to, createdAt, mailed } = report;
  return {
    ...{ id, tenant, schedule, name, period: document.period, label: document.label },
    ...{ from: time(from), to: time(to), cost: document.totals.cost, previous_cost: document.previous.cost },
    ...{ hints: document.hints.length, created_at: time(createdAt), mailed: [...mailed] },
  };
}
