import { parentPort } from 'node:worker_threads';
import { printInvoice } from './invoice-pdf.ts';
import type { PrintRequest, PrintResult } from './pdf-thread.ts';

/** The thread of `PdfThread`. */

const result = (given: PrintResult) => parentPort?.postMessage(given);

parentPort?.on('message', ({ id, invoice }: PrintRequest) => {
  printInvoice(invoice).then(
    (file) => result({ id, file: new Uint8Array(file) }),
    (error: unknown) => result({ id, error: error instanceof Error ? error.message : String(error) }),
  );
});
