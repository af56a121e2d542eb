import { expect, test } from 'bun:test';
import { hostileInvoice, sampleCreditNote, usualInvoice } from '../../../test/support/sample-invoices.ts';
import { printInvoice } from './invoice-pdf.ts';
import { grouped, partText, visibleText } from './pdf-text.ts';
import { PdfThread } from './pdf-thread.ts';

const pagesOf = (file: Uint8Array) =>
  Buffer.from(file)
    .toString('latin1')
    .match(/\/Type \/Page\b(?!s)/g)?.length;

test('an invoice is printed with its own fonts, and always as the same bytes', async () => {
  const file = await printInvoice(usualInvoice());
  const text = file.toString('latin1');
  expect(text.slice(0, 5)).toBe('%PDF-');
  expect(text.match(/\/FontFile2/g)?.length).toBe(2);
  expect(text).not.toContain('Helvetica');
  expect(file.equals(await printInvoice(usualInvoice()))).toBe(true);
});

test('long and hostile names, many lines and credit notes are printed in a thread', async () => {
  const thread = new PdfThread();
  const [hostile, many, credit] = await Promise.all([
    thread.print(hostileInvoice()),
    thread.print(hostileInvoice(150)),
    thread.print(sampleCreditNote()),
  ]);
  expect(pagesOf(hostile)).toBeGreaterThan(4);
  expect(pagesOf(many)).toBeGreaterThan(10);
  expect(pagesOf(credit)).toBe(2);
  const { document, ...rest } = usualInvoice();
  await expect(
    thread.print({ ...rest, document, fonts: { regular: '/none.ttf', bold: '/none.ttf' } }),
  ).rejects.toThrow('cannot be printed');
  expect(pagesOf(await thread.print({ ...rest, document, hash: null }))).toBe(2);
}, 30_000);

test('invisible and direction characters are shown as their codes', () => {
  expect(visibleText('a\u202Eb\u0000c\u2028d\u{E0001}')).toBe('a[U+202E]b[U+0000]c[U+2028]d[U+E0001]');
  expect(visibleText('<b>Zürich</b> שלום 漢字')).toBe('<b>Zürich</b> שלום 漢字');
});

test('numbers are grouped, and parts say what, how much and at which price', () => {
  expect(['1234567.5', '-1234', '999', '0.1234567'].map(grouped)).toEqual([
    '1,234,567.5',
    '-1,234',
    '999',
    '0.1234567',
  ]);
  const part = { price: '0.8', per: '1000000', amount_exact: '0.8' };
  expect(partText({ ...part, unit: 'output', quantity: '1000000' }, '')).toMatchObject({
    ...{ what: 'Output tokens', quantity: '1,000,000', price: '× 0.8 / million' },
  });
  expect(partText({ ...part, unit: 'second', quantity: '61500', per: '1000' }, '').quantity).toBe('61.500');
  expect(partText({ ...part, unit: 'cost', quantity: null, price: '1.15' }, '5', '0.92')).toMatchObject({
    ...{ quantity: 'USD 5', price: '× 1.15 × 0.92' },
  });
});
