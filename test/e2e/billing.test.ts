import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { monthBefore } from '../../src/billing/month.ts';
import { gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { startSmtpReceiver } from '../support/smtp-receiver.ts';
import { Organisation } from './helpers/organisation.ts';

/** The billing API, as the platform and as a tenant's finance role use it. */

let gateway: InProcessGateway;
let organisation: Organisation;
const sessions = new Map<string, string>();
const MONTH = monthBefore(new Date().toISOString().slice(0, 7));

beforeAll(async () => {
  gateway = await gatewayInProcess({
    config: {
      billing: {
        issuer: { name: 'Weir Operations Ltd' },
        taxes: { standard: [{ name: 'VAT', rate: '8.875000000001' }] },
      },
    },
  });
  organisation = new Organisation(gateway);
  for (const id of ['acme', 'other']) await organisation.done('POST', '/admin/v1/tenants', { id });
  for (const role of ['billing', 'viewer'] as const) {
    await organisation.member('acme', role, role);
    sessions.set(role, await organisation.session('acme', role));
  }
  await organisation.member('other', 'boss', 'owner');
  sessions.set('other', await organisation.session('other', 'boss'));
  await organisation.done('POST', '/admin/v1/billing/prices', { valid_from: '2020-01-01', minimum: '100' });
}, 30_000);
afterAll(() => gateway?.close());

const as = (caller: string, method: string, path: string, body?: unknown) =>
  gateway.call(method, path, { key: sessions.get(caller) ?? gateway.adminKey, body });
const close = async (tenant: string, more = {}) => {
  const { data } = await organisation.done('POST', '/admin/v1/billing/close', {
    month: MONTH,
    tenant,
    ...more,
  });
  return Array.isArray(data) ? data[0] : undefined;
};

describe('invoices', () => {
  test('are calculated without being stored, then closed, issued and downloaded in three forms', async () => {
    expect(await close('acme', { dry_run: true })).toMatchObject({ total: '108.88', invoice: null });
    const { data } = await organisation.done('GET', '/admin/v1/billing/invoices');
    expect(data).toEqual([]);
    const draft = await close('acme');
    expect(draft).toMatchObject({ created: true, number: null, status: 'draft', total: '108.88' });
    expect(await close('acme')).toMatchObject({ created: false, invoice: draft.invoice });
    const path = `/admin/v1/tenants/acme/billing/invoices/${draft.invoice}`;
    // A tenant sees what is issued.
    expect((await as('billing', 'GET', path)).status).toBe(404);
    const issued = await close('acme', { issue: true });
    expect(issued.number).toBe(`INV-${new Date().getUTCFullYear()}-00001`);
    const read = await as('billing', 'GET', path);
    expect([read.status, read.headers.get('etag')]).toEqual([200, '"2"']);
    expect(read.body).toMatchObject({
      status: 'open',
      document: { subtotal: '100.00', tax: '8.88', taxes: [{ rate: '8.875000000001' }] },
    });
    const csv = await as('billing', 'GET', `${path}?format=csv`);
    expect(csv.text.trimEnd().split('\r\n').at(-1)).toContain(',total,Total,');
    const pdf = await as('billing', 'GET', `${path}?format=pdf`);
    expect([pdf.status, pdf.headers.get('content-type'), pdf.text.slice(0, 5)]).toEqual([
      200,
      'application/pdf',
      '%PDF-',
    ]);
    expect(pdf.headers.get('content-disposition')).toBe(`attachment; filename="${issued.number}.pdf"`);
  });

  test('are visible to the finance role of their tenant only', async () => {
    const { invoice } = (await close('acme')) ?? {};
    const list = '/admin/v1/tenants/acme/billing/invoices';
    const statuses = async (path: string) =>
      Promise.all(
        ['billing', 'viewer', 'other'].map(async (caller) => (await as(caller, 'GET', path)).status),
      );
    expect(await statuses(list)).toEqual([200, 403, 404]);
    expect(await statuses(`${list}/${invoice}`)).toEqual([200, 403, 404]);
    // Not through one's own tenant either.
    expect((await as('other', 'GET', `/admin/v1/tenants/other/billing/invoices/${invoice}`)).status).toBe(
      404,
    );
    expect(await statuses('/admin/v1/billing/invoices')).toEqual([403, 403, 403]);
    expect(await statuses('/admin/v1/tenants/acme/billing/preview?month=2026-10')).toEqual([200, 403, 404]);
  });

  test('of a deleted tenant can still be read by the platform', async () => {
    await organisation.done('POST', '/admin/v1/tenants', { id: 'leaving' });
    const { invoice } = (await close('leaving', { issue: true })) ?? {};
    await organisation.done('DELETE', '/admin/v1/tenants/leaving');
    const path = `/admin/v1/billing/invoices/${invoice}`;
    expect((await as('admin', 'GET', path)).body).toMatchObject({ tenant: 'leaving', total: '108.88' });
    expect((await as('admin', 'GET', `${path}?format=pdf`)).status).toBe(200);
    expect((await as('admin', 'GET', '/admin/v1/tenants/leaving/billing/invoices')).status).toBe(404);
    const closing = await as('admin', 'POST', '/admin/v1/billing/close', { month: MONTH, tenant: 'leaving' });
    expect(closing.status).toBe(404);
  });
});

describe('billing details', () => {
  const path = '/admin/v1/tenants/acme/billing/account';

  test('are the tenant’s, taxes and terms are the platform’s', async () => {
    expect((await as('billing', 'PUT', path, { name: 'Acme AG', email: 'fin@acme.test' })).status).toBe(200);
    for (const terms of [{ due_days: 90 }, { taxes: {} }, { reverse_charge: true, vat_id: 'DE136695976' }]) {
      expect((await as('billing', 'PUT', path, terms)).status).toBe(403);
    }
    expect((await as('admin', 'PUT', path, { name: 'Acme AG', due_days: 90 })).status).toBe(200);
    // Kept as they are, they need no permission.
    expect((await as('billing', 'PUT', path, { name: 'Acme', due_days: 90 })).status).toBe(200);
    expect((await as('billing', 'PUT', path, { name: 'Acme' })).status).toBe(403);
  });

  test.each<[string, unknown]>([
    ['a name with a direction control', { name: 'A\u202Ecme' }],
    ['an address with a line break', { address: ['a\nb'] }],
    ['too long an address', { address: Array.from({ length: 9 }, () => 'x') }],
    ['a VAT id that is not valid', { vat_id: 'DE123' }],
    ['a tax rate that is no decimal', { taxes: { standard: [{ name: 'VAT', rate: '1e3' }] } }],
    ['a tax rate with 13 decimals', { taxes: { standard: [{ name: 'VAT', rate: '8.1234567890123' }] } }],
    ['a tax rate above 100 %', { taxes: { standard: [{ name: 'VAT', rate: '100.000000000001' }] } }],
    ['a negative tax rate', { taxes: { standard: [{ name: 'VAT', rate: '-1' }] } }],
  ])('with %s are rejected', async (_, body) => {
    expect((await as('admin', 'PUT', path, body)).status).toBe(400);
  });
});

describe('price lists', () => {
  test.each<[string, unknown]>([
    ['no day', { minimum: '1' }],
    ['a day that does not exist', { valid_from: '2026-02-30' }],
    ['an unknown currency', { valid_from: '2026-01-01', currency: 'ZZQ' }],
    ['a price that is a number', { valid_from: '2026-01-01', rules: [{ model: 'm', prices: { input: 3 } }] }],
    ['a negative price', { valid_from: '2026-01-01', rules: [{ model: 'm', prices: { input: '-3' } }] }],
    [
      'a rule with margin and prices',
      { valid_from: '2026-01-01', rules: [{ model: 'm', margin: '1', prices: { input: '1' } }] },
    ],
    ['a margin below -100 %', { valid_from: '2026-01-01', margin: '-100.1' }],
    ['a discount above 100 %', { valid_from: '2026-01-01', discount: '101' }],
    [
      'tiers that do not rise',
      {
        valid_from: '2026-01-01',
        rules: [
          {
            model: 'm',
            prices: {
              input: {
                tiers: [
                  { up_to: 5, price: '1' },
                  { up_to: 5, price: '1' },
                  { up_to: null, price: '1' },
                ],
              },
            },
          },
        ],
      },
    ],
    [
      'tiers without an end',
      {
        valid_from: '2026-01-01',
        rules: [{ model: 'm', prices: { input: { tiers: [{ up_to: 5, price: '1' }] } } }],
      },
    ],
  ])('with %s are rejected', async (_, body) => {
    expect((await as('admin', 'POST', '/admin/v1/billing/prices', body)).status).toBe(400);
  });

  test('have versions that are added', async () => {
    const path = '/admin/v1/tenants/acme/billing/prices';
    const versions = [];
    for (const margin of ['5', '7']) {
      const { body } = await as('admin', 'POST', path, { valid_from: '2030-01-01', margin });
      versions.push(body.version);
    }
    expect(versions).toEqual([1, 2]);
    const { body } = await as('billing', 'GET', path);
    expect(body.data).toMatchObject([
      { version: 1, margin: '5' },
      { version: 2, margin: '7' },
    ]);
  });
});

describe('mail', () => {
  test('brings each issued invoice to the customer, and again or to others on request', async () => {
    const receiver = await startSmtpReceiver();
    const mailing = await gatewayInProcess({
      config: {
        billing: { issuer: { name: 'Weir Operations Ltd' } },
        mail: { host: '127.0.0.1', port: receiver.port, tls: 'off', from: 'billing@weir.test' },
      },
    });
    try {
      const done = async (method: string, path: string, body?: unknown) => {
        const result = await mailing.call(method, path, { key: mailing.adminKey, body });
        expect([path, result.status < 300, result.text]).toEqual([path, true, result.text]);
        return result.body;
      };
      await done('POST', '/admin/v1/billing/prices', { valid_from: '2020-01-01', minimum: '100' });
      const account = { name: 'Default', email: 'fin@acme.test' };
      await done('PUT', '/admin/v1/tenants/default/billing/account', account);
      const { data } = await done('POST', '/admin/v1/billing/close', { month: MONTH, issue: true });
      const [{ invoice, number }] = Array.isArray(data) ? data : [];
      await receiver.received(1);
      const path = `/admin/v1/billing/invoices/${invoice}/send`;
      receiver.reject(1);
      const failed = await mailing.call('POST', path, { key: mailing.adminKey, body: {} });
      expect([failed.status, failed.text]).toEqual([409, expect.stringContaining('try again later')]);
      const sent = await done('POST', path, { to: 'other@acme.test' });
      expect(sent.sent_at).toEqual(expect.any(String));
      expect(receiver.mails.map(({ from, to }) => [from, to])).toEqual([
        ['billing@weir.test', ['fin@acme.test']],
        ['billing@weir.test', ['other@acme.test']],
      ]);
      const [mail] = receiver.mails;
      expect(mail?.data).toContain(`Subject: Invoice ${number} from Weir Operations Ltd`);
      expect(mail?.data).toContain(`Message-ID: <${invoice}.weir@weir.test>`);
      expect(mail?.data).toContain(`filename=${number}.pdf`);
    } finally {
      await mailing.close();
      receiver.close();
    }
  }, 30_000);
});
