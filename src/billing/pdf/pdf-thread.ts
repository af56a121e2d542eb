import { Worker } from 'node:worker_threads';
import type { PrintedInvoice } from './printed-invoice.ts';

/** A message to the thread. */
export interface PrintRequest {
  readonly id: number;
  readonly invoice: PrintedInvoice;
}

/** A message from the thread. */
export type PrintResult =
  | { readonly id: number; readonly file: Uint8Array<ArrayBuffer> }
  | { readonly id: number; readonly error: string };

/**
 * Prints invoices in a thread, because one of a thousand lines takes a second, in which no request would be served. The thread
 * starts with the first invoice, and ends when nothing is left to print.
 */
export class PdfThread {
  #worker: Worker | undefined;
  #next = 0;
  readonly #waiting = new Map<number, PromiseWithResolvers<Uint8Array<ArrayBuffer>>>();

  /** @returns a PDF file. @throws Error when it cannot be printed */
  print(invoice: PrintedInvoice): Promise<Uint8Array<ArrayBuffer>> {
    const waiting = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
    this.#next += 1;
    const id = this.#next;
    this.#waiting.set(id, waiting);
    const request: PrintRequest = { id, invoice };
    this.#worker ??= this.#start();
    this.#worker.postMessage(request);
    return waiting.promise;
  }

  #start(): Worker {
    const worker = new Worker(new URL('./pdf-worker.ts', import.meta.url));
    // The thread must not keep the process alive.
    worker.unref();
    worker.on('message', (result: PrintResult) => {
      const waiting = this.#waiting.get(result.id);
      this.#waiting.delete(result.id);
      if ('error' in result) waiting?.reject(new Error(`the invoice cannot be printed: ${result.error}`));
      else waiting?.resolve(result.file);
      if (this.#waiting.size > 0) return;
      // Fonts and pages take megabytes that most gateways need once a month.
      this.#worker = undefined;
      void worker.terminate();
    });
    worker.on('error', (error: Error) => {
      if (this.#worker === worker) this.#worker = undefined;
      const all = [...this.#waiting.values()];
      this.#waiting.clear();
      for (const one of all)
        one.reject(new Error(`the printing thread failed: ${error.message}`, { cause: error }));
    });
    return worker;
  }
}
