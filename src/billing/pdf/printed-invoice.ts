import type { InvoiceDocument, InvoiceStatus } from '../invoice-document.ts';

/** What is printed: a document with its status and hash. */
export interface PrintedInvoice {
  readonly document: InvoiceDocument;
  readonly status: InvoiceStatus;
  /** SHA-256 of the document; null for drafts. */
  readonly hash: string | null;
  /** Files of fonts, instead of those that come with the program. */
  readonly fonts?: { readonly regular: string; readonly bold: string } | undefined;
}

/** @returns a PDF file */
export type PrintInvoice = (invoice: Omit<PrintedInvoice, 'fonts'>) => Promise<Uint8Array<ArrayBuffer>>;
