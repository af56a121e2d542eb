import { fileURLToPath } from 'node:url';
import PDFDocument from 'pdfkit';
import type { InvoiceDocument, InvoiceLine } from '../invoice-document.ts';
import { STANDARD_TAX } from '../price-list.ts';
import { PdfPage } from './pdf-page.ts';
import { grouped, partText, visibleText } from './pdf-text.ts';
import type { PrintedInvoice } from './printed-invoice.ts';

/** Fonts come with the program, so that PDF files contain them and need no network. */
export function fontFiles(): { readonly regular: string; readonly bold: string } {
  const file = (name: string) => fileURLToPath(import.meta.resolve(`dejavu-fonts-ttf/ttf/${name}.ttf`));
  return { regular: file('DejaVuSansCondensed'), bold: file('DejaVuSansCondensed-Bold') };
}

/**
 * Prints an invoice or credit note on A4 pages. The same input gives the same bytes.
 *
 * @returns the file
 */
export async function printInvoice(invoice: PrintedInvoice): Promise<Buffer> {
  const { document } = invoice;
  const { regular, bold } = invoice.fonts ?? fontFiles();
  const pdf = new PDFDocument({
    size: 'A4',
    margin: 0,
    bufferPages: true,
    font: regular,
    info: {
      Title: visibleText(titleOf(invoice)),
      Author: visibleText(document.issuer.name),
      Creator: 'Weir',
      Producer: 'Weir',
      // The time of the run would make each file differ.
      CreationDate: new Date(`${document.issue_date ?? document.period.to.slice(0, 10)}T00:00:00Z`),
    },
  });
  const chunks: Buffer[] = [];
  const file = new Promise<Buffer>((resolve, reject) => {
    pdf.on('data', (chunk: Buffer) => chunks.push(chunk));
    pdf.on('end', () => resolve(Buffer.concat(chunks)));
    pdf.on('error', reject);
  });
  pdf.registerFont('bold', bold);
  pdf.registerFont('regular', regular);
  const page = new PdfPage(pdf);
  printHead(page, invoice);
  printLines(page, document);
  printTotals(page, document);
  printNotes(page, document);
  page.finish(
    visibleText(`${document.issuer.name} · ${titleOf(invoice)}`),
    invoice.hash === null ? 'Not issued' : `SHA-256 ${invoice.hash}`,
  );
  pdf.end();
  return file;
}

function titleOf({ document, status }: PrintedInvoice): string {
  const what = document.kind === 'credit_note' ? 'Credit note' : 'Invoice';
  if (document.number === null) return `${what} (draft)`;
  return `${what} ${document.number}${status === 'void' ? ' (void)' : ''}`;
}

function printHead(page: PdfPage, invoice: PrintedInvoice): void {
  const { document } = invoice;
  const { issuer, customer, period, credits } = document;
  const contact = [...issuer.address, issuer.email, issuer.vat_id && `VAT id ${issuer.vat_id}`];
  page.text(issuer.name === '' ? 'No issuer is configured' : issuer.name, {
    bold: true,
    size: 12,
    width: 250,
  });
  for (const one of contact) if (one) page.text(one, { size: 8.5, width: 250, grey: true });
  const end = page.y;
  page.y = page.top;
  page.text(titleOf(invoice), { bold: true, size: 15, x: 300, width: 245, align: 'right' });
  page.space(6);
  const facts: (readonly [string, string])[] = [
    ['Issued', document.issue_date ?? '–'],
    ...(document.kind === 'invoice' ? ([['Due', document.due_date ?? '–']] as const) : []),
    ['Period', `${period.month} (${period.time_zone})`],
    ...(document.kind === 'credit_note' && credits ? ([['For invoice', credits.number]] as const) : []),
    ['Currency', document.currency],
    ...(customer.reference ? ([['Reference', customer.reference]] as const) : []),
  ];
  for (const [name, value] of facts) page.pair(name, value, { x: 300, width: 245 });
  page.y = Math.max(end, page.y);
  page.space(22);
  page.text(document.kind === 'credit_note' ? 'Credit to' : 'Bill to', { size: 8, grey: true });
  page.text(customer.name, { bold: true, size: 10.5, width: 330 });
  const details = [
    ...customer.address,
    customer.vat_id && `VAT id ${customer.vat_id}`,
    customer.name === customer.tenant ? null : `Tenant ${customer.tenant}`,
  ];
  for (const one of details) if (one) page.text(one, { size: 8.5, width: 330 });
  if (document.reason) {
    page.space(8);
    page.text(`Reason: ${document.reason}`, { size: 9 });
  }
  page.space(18);
}

function printLines(page: PdfPage, document: InvoiceDocument): void {
  const { lines, currency } = document;
  page.startTable(['#', 'Description', 'Quantity', 'Price', `Amount (${currency})`]);
  if (lines.length === 0) page.row({ title: 'No charges', amount: '' });
  for (const line of lines) printLine(page, line, document);
  page.endTable();
}

function printLine(page: PdfPage, line: InvoiceLine, document: InvoiceDocument): void {
  const rate = document.exchange_rates[document.currency];
  const { number, description, amount, late_for, key, user, from, to, price_list, usage } = line;
  const named = (one: { id: string; name: string | null }) =>
    one.name === null ? one.id : `${one.name} (${one.id})`;
  const details = [
    late_for === null ? '' : `Late usage of ${late_for}`,
    key && key.id !== '' ? `Key ${named(key)}` : '',
    user ? `User ${named(user)}` : '',
    from !== null && to !== null ? days(from, to, document.period.time_zone) : '',
    price_list === null ? '' : `Price list ${price_list}`,
    line.tax_class === STANDARD_TAX ? '' : `Tax class ${line.tax_class}`,
  ].filter((text) => text !== '');
  page.row({
    number: String(number),
    title: description,
    details: details.join(' · '),
    parts: line.parts.map((part) => partText(part, usage?.cost_usd ?? '0', rate)),
    amount: grouped(amount),
  });
}

/** First and last day in a time zone: `2026-11-01 to 2026-11-14`. */
function days(from: string, to: string, timeZone: string): string {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' });
  return `${format.format(Date.parse(from))} to ${format.format(Date.parse(to) - 1)}`;
}

function printTotals(page: PdfPage, document: InvoiceDocument): void {
  const { subtotal, taxes, total, currency, reverse_charge } = document;
  const rows = [
    ['Subtotal', grouped(subtotal), false],
    ...taxes.map(
      ({ name, rate, base, amount }) =>
        [
          reverse_charge ? `${name}, reverse charge` : `${name} ${rate} % of ${grouped(base)}`,
          grouped(amount),
          false,
        ] as const,
    ),
    [`Total ${currency}`, grouped(total), true],
  ] as const;
  page.keepTogether(rows.length * 16 + 10);
  page.space(8);
  for (const [name, value, isTotal] of rows) page.total(name, value, isTotal);
  page.space(12);
}

function printNotes(page: PdfPage, { notes, issuer, rounding, kind }: InvoiceDocument): void {
  const sections: [string, readonly string[]][] = [
    ['Notes', notes],
    ['Payment', kind === 'invoice' ? issuer.payment : []],
    [
      'Rounding',
      [
        `${rounding.rule} Exact subtotal ${grouped(rounding.subtotal_exact)}; difference ${rounding.difference}.`,
      ],
    ],
  ];
  for (const [title, texts] of sections) {
    if (texts.length === 0) continue;
    page.space(8);
    page.text(title, { bold: true, size: 8.5 });
    for (const text of texts) page.text(text, { size: 8, grey: title === 'Rounding' });
  }
}
