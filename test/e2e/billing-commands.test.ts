import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { z } from 'zod';
import { monthBefore } from '../../src/billing/month.ts';
import { DEFAULT_LIST } from '../../src/billing/price-lists.ts';
import {
  type BillingInstallation,
  BY_TEST,
  billingInstallation,
  INSTALLATION_DATABASES,
} from '../support/billing-installation.ts';
import { weir } from './harness.ts';

/** `weir billing`, in processes of its own. */

const MONTH = monthBefore(new Date().toISOString().slice(0, 7));
const AT = Date.parse(`${MONTH}-15T12:00:00Z`);
const rows = z.array(
  z.looseObject({ tenant: z.string(), invoice: z.string().nullable(), created: z.boolean() }),
);

let installation: BillingInstallation;
beforeAll(async () => {
  installation = await billingInstallation(INSTALLATION_DATABASES[0], {
    issuer: { name: 'Weir Operations Ltd' },
  });
  installation.setTime(AT - 86_400_000);
  await installation.billing.priceLists.add(DEFAULT_LIST, '2020-01-01', { margin: '10' }, 'x', BY_TEST);
  for (const tenant of ['acme', 'beta']) {
    await installation.addTenant(tenant);
    await installation.use(tenant, [
      { at: AT, keyId: 'key_1', inputTokens: 1_000, cachedTokens: 10, outputTokens: 50, costPico: 2e12 },
      { at: AT, keyId: 'key_2', model: 'n', inputTokens: 7, costPico: 1e12 },
    ]);
  }
}, 60_000);
afterAll(() => installation?.dispose());

const run = (...args: string[]) => weir(['billing', ...args], installation.env);
async function output(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  expect([args.join(' '), stderr, code]).toEqual([args.join(' '), stderr, 0]);
  return stdout;
}
const lines = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Record<string, unknown> => JSON.parse(line));

describe('weir billing', () => {
  test('previews, and closes nothing without --yes', async () => {
    expect(await output('preview', MONTH, '--tenant', 'acme')).toContain('Total');
    const dry = rows.parse(JSON.parse(await output('close', MONTH, '--json')));
    expect(dry.map(({ tenant, total }) => [tenant, total])).toEqual([
      ['acme', '3.30'],
      ['beta', '3.30'],
      ['default', null],
    ]);
    expect((await run('close', '2026-13')).stderr).toContain('is not a month');
  }, 60_000);

  test('makes one invoice when two processes close a month at the same time', async () => {
    const close = () => output('close', MONTH, '--tenant', 'acme', '--yes', '--issue', '--json');
    const closed = (await Promise.all([close(), close()])).map((text) => rows.parse(JSON.parse(text))[0]);
    expect(new Set(closed.map((row) => row?.invoice)).size).toBe(1);
    expect(closed.filter((row) => row?.created)).toHaveLength(1);
    const invoices = z
      .array(z.looseObject({ number: z.string() }))
      .parse(JSON.parse(await output('invoices', '--json')));
    expect(invoices.map(({ number }) => number.slice(-6))).toEqual(['-00001']);
    expect(await output('verify')).toContain('1 documents: hashes and numbers are complete.');
  }, 60_000);

  test('writes an invoice as PDF, and exports it', async () => {
    const number = `INV-${new Date().getUTCFullYear()}-00001`;
    const file = join(installation.env.WEIR_DATA_DIR ?? '', 'invoice.pdf');
    const [, exported] = await Promise.all([
      output('show', number, '--format', 'pdf', '--file', file),
      output('export', '--format', 'openmeter', '--month', MONTH),
    ]);
    expect(readFileSync(file).toString('latin1').slice(0, 5)).toBe('%PDF-');
    expect(lines(exported)[0]).toMatchObject({ specversion: '1.0', source: 'weir', subject: 'acme' });
  }, 60_000);

  test('sends exports with idempotency keys, and repeats after failures', async () => {
    const received: { key: string; id: unknown; form: string }[] = [];
    let failures = 2;
    const server: Server = createServer((request, response) => {
      let body = '';
      request.on('data', (part) => {
        body += String(part);
      });
      request.on('end', () => {
        if (failures > 0) {
          failures -= 1;
          response.writeHead(failures === 0 ? 429 : 503).end();
          return;
        }
        const { authorization = '' } = request.headers;
        received.push({ key: authorization, id: request.headers['idempotency-key'], form: body });
        response.writeHead(200).end('{}');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const push = (path: string) =>
      weir(
        [
          'billing',
          'export',
          '--format',
          'stripe-invoice-items',
          '--push',
          `http://127.0.0.1:${port}${path}`,
        ],
        {
          ...installation.env,
          ...{ WEIR_BILLING_EXPORT_KEY: 'sk_test', WEIR_WEBHOOKS_ALLOW_PRIVATE: '1' },
        },
      );
    const { code, stderr } = await push('/v1/invoiceitems');
    expect([code, stderr]).toEqual([0, expect.stringContaining('Sent 2 records.')]);
    expect(received.map(({ key }) => key)).toEqual(['Bearer sk_test', 'Bearer sk_test']);
    expect(new Set(received.map(({ id }) => id)).size).toBe(2);
    expect(Object.fromEntries(new URLSearchParams(received[0]?.form))).toMatchObject({
      ...{ amount: '220', currency: 'usd', customer: 'acme', 'metadata[weir_line]': '1' },
    });
    server.close();
    server.closeAllConnections();
  }, 60_000);
});
