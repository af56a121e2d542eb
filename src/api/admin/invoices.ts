import { z } from 'zod';
import { creditRequest } from '../../billing/credit-note.ts';
import { invoiceCsv } from '../../billing/invoice-csv.ts';
import { INVOICE_STATUSES } from '../../billing/invoice-document.ts';
import type { Invoice } from '../../billing/invoices.ts';
import { monthText } from '../../billing/month.ts';
import type { Billing } from '../../billing/services.ts';
import { csvField } from '../../core/csv.ts';
import { GatewayError } from '../../core/errors.ts';
import { email } from '../../tenancy/names.ts';
import { invoiceObject, renderInvoice, wholeInvoice } from './billing-objects.ts';
import { cursorOf, listOf, page, paging, timeCursor } from './paging.ts';
import { type AdminResult, adminRoute, NO_BODY, NO_INPUT, NO_QUERY, type RegisteredRoute } from './route.ts';

const filter = z.object({
  ...paging,
  month: monthText.optional(),
  status: z.enum(INVOICE_STATUSES).optional(),
});
const format = z.object({ format: z.enum(['json', 'csv', 'pdf']).default('json') });
const invoiceList = listOf(invoiceObject, 'InvoiceList');

const closeBody = z
  .strictObject({
    month: monthText.describe("In each tenant's time zone."),
    tenant: z.string().max(63).optional().describe('Default: every tenant.'),
    dry_run: z.boolean().default(false).describe('Calculates, and stores nothing.'),
    issue: z.boolean().default(false).describe('Issues the invoices.'),
  })
  .meta({ id: 'CloseMonth', example: { month: '2026-11', dry_run: true } });
const closeResult = z
  .object({
    object: z.literal('close'),
    month: z.string(),
    dry_run: z.boolean(),
    data: z.array(
      z.object({
        tenant: z.string(),
        invoice: z.string().nullable().describe('Null in a dry run, for a failure, and without charges.'),
        created: z.boolean().describe('False when the month was closed before.'),
        number: z.string().nullable(),
        status: z.string().nullable(),
        currency: z.string().nullable(),
        total: z.string().nullable(),
        error: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: 'ClosedMonth' });

/** Routes of invoices and credit notes. */
export function invoiceRoutes({ invoices, closeRun, mail, print }: Billing): RegisteredRoute[] {
  const shown = async (invoice: Invoice, as: z.output<typeof format>['format']): Promise<AdminResult> => {
    const name = (invoice.number ?? `draft-${invoice.id}`).replaceAll(/[^A-Za-z0-9._-]/g, '-');
    const headers = (extension: string) => ({
      'content-disposition': `attachment; filename="${name}.${extension}"`,
    });
    if (as === 'csv') {
      return {
        text: { type: 'text/csv; charset=utf-8', body: invoiceCsv(invoice.document, csvField) },
        headers: headers('csv'),
      };
    }
    if (as === 'pdf') {
      const { document, status, hash } = invoice;
      const body = await print({ document, status, hash });
      return { bytes: { type: 'application/pdf', body }, headers: headers('pdf') };
    }
    return { body: { ...renderInvoice(invoice), document: invoice.document }, version: invoice.version };
  };
  const listed = async (
    { limit, after, month, status }: z.output<typeof filter>,
    tenant: string | undefined,
    issuedOnly: boolean,
  ) => {
    const cursor = cursorOf(timeCursor, after);
    const found = await invoices.list({
      ...{ tenant, period: month, status, issuedOnly, limit: limit + 1, after: cursor },
    });
    return { body: page(found, limit, ({ createdAt, id }) => ({ at: createdAt, id }), renderInvoice) };
  };
  const changed = (invoice: Invoice): AdminResult => ({
    body: renderInvoice(invoice),
    version: invoice.version,
  });
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/billing/invoices',
      permission: 'billing:read',
      summary: 'List the issued invoices and credit notes of a tenant',
      ...NO_BODY,
      query: filter,
      response: invoiceList,
      handle: async ({ scope, query }) => listed(query, scope.tenant, true),
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/billing/invoices/:invoice',
      permission: 'billing:read',
      summary: 'Get an issued invoice or credit note as JSON, CSV or PDF',
      ...NO_BODY,
      query: format,
      response: wholeInvoice,
      handle: async ({ scope, params, query }) => {
        const invoice = await invoices.get(params.invoice ?? '', scope.tenant);
        if (invoice.hash === null) throw new GatewayError('not_found', 'There is no such invoice.');
        return shown(invoice, query.format);
      },
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/billing/invoices',
      permission: 'tenants:list',
      summary: 'List invoices and credit notes of all tenants, also of deleted ones',
      ...NO_BODY,
      query: filter.extend({ tenant: z.string().max(63).optional() }),
      response: invoiceList,
      handle: async ({ query: { tenant, ...rest } }) => listed(rest, tenant, false),
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/billing/invoices/:invoice',
      permission: 'tenants:list',
      summary: 'Get an invoice or credit note as JSON, CSV or PDF',
      ...NO_BODY,
      query: format,
      response: wholeInvoice,
      handle: async ({ params, query }) => shown(await invoices.get(params.invoice ?? ''), query.format),
    }),
    adminRoute({
      method: 'DELETE',
      path: '/admin/v1/billing/invoices/:invoice',
      permission: 'invoices:write',
      summary: 'Discard a draft, so that its month can be closed again',
      ...NO_INPUT,
      status: 204,
      handle: async ({ params, seen, by }) => {
        await invoices.discard(params.invoice ?? '', seen, by);
        return {};
      },
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/billing/invoices/:invoice/issue',
      permission: 'invoices:write',
      summary: 'Issue a draft',
      description:
        'It gets the next number and never changes again. An invoice without anything to pay is paid at once.',
      ...NO_INPUT,
      response: invoiceObject,
      handle: async ({ params, seen, by }) => changed(await invoices.issue(params.invoice ?? '', seen, by)),
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/billing/invoices/:invoice/pay',
      permission: 'invoices:write',
      summary: 'Mark an open invoice as paid',
      body: z.strictObject({
        note: z.string().trim().min(1).max(500).optional().describe('Such as the reference of the payment.'),
      }),
      ...NO_QUERY,
      response: invoiceObject,
      handle: async ({ params, body, seen, by }) =>
        changed(await invoices.pay(params.invoice ?? '', body.note, seen, by)),
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/billing/invoices/:invoice/void',
      permission: 'invoices:write',
      summary: 'Void an open invoice',
      description: 'Its number stays used. Its usage is not billed any more: close the month again.',
      body: z.strictObject({ reason: z.string().trim().min(1).max(500) }),
      ...NO_QUERY,
      response: invoiceObject,
      handle: async ({ params, body, seen, by }) =>
        changed(await invoices.void(params.invoice ?? '', body.reason, seen, by)),
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/billing/invoices/:invoice/credit',
      permission: 'invoices:write',
      summary: 'Issue a credit note for an invoice, or for parts of it',
      body: creditRequest.meta({
        id: 'NewCreditNote',
        example: { reason: 'Outage on 12 November', lines: [{ line: 1, amount: '10.00' }] },
      }),
      largeBody: true,
      ...NO_QUERY,
      response: invoiceObject,
      status: 201,
      handle: async ({ params, body, by }) => changed(await invoices.credit(params.invoice ?? '', body, by)),
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/billing/invoices/:invoice/send',
      permission: 'invoices:write',
      summary: 'Send an issued invoice or credit note by mail, as a PDF file',
      body: z.strictObject({ to: email.optional().describe('Default: the address of the customer.') }),
      ...NO_QUERY,
      response: invoiceObject,
      handle: async ({ params, body, by }) => changed(await mail.send(params.invoice ?? '', body.to, by)),
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/billing/close',
      permission: 'invoices:write',
      summary: 'Close a month: make the invoices of a tenant, or of every tenant',
      description:
        'A month that is closed stays as it is, so a repetition is harmless. Months end in the time zone of each tenant.',
      body: closeBody,
      ...NO_QUERY,
      response: closeResult,
      handle: async ({ body, by }) => {
        const data = await closeRun.run(body, by);
        return { body: { object: 'close', month: body.month, dry_run: body.dry_run, data } };
      },
    }),
  ];
}
