import { describe, expect, test } from 'bun:test';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { startMockUpstream } from '../../test/support/mock-upstream.ts';
import { sampleCreditNote, usualInvoice } from '../../test/support/sample-invoices.ts';
import { json } from '../../test/support/scripts.ts';
import { systemClock } from '../core/clock.ts';
import { guardedPost } from '../platform/guarded-post.ts';
import { PushError, pushRecords } from './export-push.ts';
import { EXPORT_FORMATS, exportRecords } from './exports.ts';
import type { Invoice } from './invoices.ts';
import type { PrintedInvoice } from './pdf/printed-invoice.ts';

const stored = (id: string, { document, status, hash }: PrintedInvoice): Invoice => ({
  ...{ id, kind: document.kind, tenant: 'acme', period: '2026-11', status, number: document.number, hash },
  ...{ refersTo: null, currency: document.currency, total: document.total, document, version: 2 },
  ...{ createdAt: 0, issuedAt: 0, dueDate: null, paidAt: null, voidedAt: null, note: null, sentAt: null },
});
const invoice = stored('inv_1', usualInvoice());
const credit = stored('cn_1', sampleCreditNote());

describe('exports', () => {
  test('contain each quantity and amount of the invoice once', () => {
    const sum = (values: readonly unknown[]) =>
      values.reduce<bigint>((all, one) => all + BigInt(String(one)), 0n);
    const lago = exportRecords('lago', [invoice, credit]).map(({ record }) => record);
    const tokens = lago.filter(({ code }) => code === 'weir_input_tokens');
    const values = tokens.map(({ properties }) => Object(properties).value);
    expect(sum(values)).toBe(BigInt(invoice.document.usage.input_tokens ?? ''));
    const items = exportRecords('stripe-invoice-items', [invoice]).map(({ record }) => record.amount);
    expect(sum(items)).toBe(BigInt(invoice.document.subtotal.replace('.', '')));
    const both = exportRecords('stripe-invoice-items', [invoice, credit]).map(({ record }) => record.amount);
    expect(sum(both)).toBe(0n);
  });

  test.each(EXPORT_FORMATS.map((format) => [format] as const))(
    'as %s have ids, and times within the month',
    (format) => {
      const records = exportRecords(format, [invoice]);
      expect(records.length).toBeGreaterThan(5);
      expect(new Set(records.map(({ id }) => id)).size).toBe(records.length);
      expect(exportRecords(format, [invoice])).toEqual(records);
      for (const { record } of records) {
        const at =
          typeof record.timestamp === 'number' ? record.timestamp * 1_000 : Date.parse(String(record.time));
        if (!Number.isNaN(at)) {
          expect(at).toBeGreaterThan(Date.parse('2026-11-01'));
          expect(at).toBeLessThan(Date.parse('2026-12-01'));
        }
      }
    },
  );

  test('leave out drafts and void invoices', () => {
    const draft = { ...invoice, hash: null };
    const gone: Invoice = { ...invoice, status: 'void' };
    for (const format of EXPORT_FORMATS) expect(exportRecords(format, [draft, gone])).toEqual([]);
  });

  test('stop at a record that the receiver rejects, without a repetition', async () => {
    let calls = 0;
    const post = async () => {
      calls += 1;
      return { status: 400, text: 'no such customer', retryAfter: undefined };
    };
    const push = pushRecords(
      'stripe-invoice-items',
      exportRecords('stripe-invoice-items', [invoice]),
      { url: 'http://127.0.0.1:9/', key: undefined },
      { clock: new FakeClock(), post, allowPrivate: false },
      () => undefined,
    );
    await expect(push).rejects.toThrow(PushError);
    await expect(push).rejects.toThrow('status 400: no such customer');
    expect(calls).toBe(1);
  });

  test('go to public addresses only, unless the installation allows others', async () => {
    let received = 0;
    const mock = await startMockUpstream();
    mock.respondAlways(() => {
      received += 1;
      return json({});
    });
    const push = (url: string, allowPrivate: boolean) =>
      pushRecords(
        'openmeter',
        exportRecords('openmeter', [invoice]),
        { url, key: 'secret' },
        { clock: { ...systemClock, sleep: () => Promise.resolve() }, post: guardedPost, allowPrivate },
        () => undefined,
      );
    try {
      for (const url of [
        mock.url,
        `http://localhost:${mock.port}`,
        `http://[::ffff:127.0.0.1]:${mock.port}/`,
      ]) {
        await expect(push(url, false)).rejects.toThrow('is not public');
      }
      expect(received).toBe(0);
      await push(mock.url, true);
      expect(received).toBe(1);
    } finally {
      await mock.close();
    }
  });
});
