import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { printInvoice } from '../../src/billing/pdf/invoice-pdf.ts';
import { hostileInvoice, sampleCreditNote, usualInvoice } from './sample-invoices.ts';

/** Prints the sample invoices into a folder: `bun test/support/print-invoices.ts FOLDER`, to be looked at. */

const [, , folder = '.'] = process.argv;
const samples = { usual: usualInvoice(), hostile: hostileInvoice(), 'credit-note': sampleCreditNote() };
for (const [name, invoice] of Object.entries(samples)) {
  writeFileSync(join(folder, `${name}.pdf`), await printInvoice(invoice));
}
