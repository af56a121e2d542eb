import { GatewayError } from '../core/errors.ts';
import type { Mail } from '../platform/mailer.ts';
import type { ChangeContext } from '../tenancy/change-context.ts';
import type { InvoiceDocument } from './invoice-document.ts';
import type { Invoice, Invoices } from './invoices.ts';
import type { PrintInvoice } from './pdf/printed-invoice.ts';

export interface InvoiceMailOptions {
  readonly invoices: Invoices;
  readonly print: PrintInvoice;
  /** Undefined where no server is configured. */
  readonly send: () => ((mail: Mail) => Promise<void>) | undefined;
}

/** Sends issued invoices and credit notes by mail, as PDF files. */
export class InvoiceMail {
  constructor(private readonly options: InvoiceMailOptions) {}

  /**
   * Sends a document, to the customer's address at its issue unless another one is given.
   *
   * @throws GatewayError `not_found`; `conflict` for a draft, without a mail server or an address, or when the server rejects it
   */
  async send(id: string, to: string | undefined, by: ChangeContext): Promise<Invoice> {
    const { invoices, print } = this.options;
    const invoice = await invoices.get(id);
    const { document, status, hash } = invoice;
    if (hash === null) throw new GatewayError('conflict', 'A draft cannot be sent. Issue it first.');
    const send = this.options.send();
    if (!send) throw new GatewayError('conflict', 'No mail server is configured. Set `mail`.');
    const address = to ?? document.customer.email;
    if (address === null) {
      throw new GatewayError(
        'conflict',
        'The invoice has no e-mail address. Give one as "to", and add it to the billing account.',
        { param: 'to' },
      );
    }
    const content = await print({ document, status, hash });
    try {
      await send(mailOf(invoice, address, content));
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new GatewayError('conflict', `The mail server did not accept the invoice: ${reason}`, { cause });
    }
    return invoices.sent(id, address, by);
  }

  /** Sends a document that was issued, once; not where there is no server or address. */
  async sendOnce(id: string, by: ChangeContext): Promise<void> {
    if (!this.options.send()) return;
    const { sentAt, document } = await this.options.invoices.get(id);
    if (sentAt !== null || document.customer.email === null) return;
    await this.send(id, undefined, by);
  }
}

function mailOf({ id, document }: Invoice, to: string, content: Uint8Array): Mail {
  const what = document.kind === 'credit_note' ? 'Credit note' : 'Invoice';
  const number = document.number ?? id;
  return {
    to,
    subject: `${what} ${number} from ${document.issuer.name}`,
    text: textOf(document, what),
    id: `${id}.weir`,
    attachments: [
      { name: `${number.replaceAll(/[^A-Za-z0-9._-]/g, '-')}.pdf`, type: 'application/pdf', content },
    ],
  };
}

function textOf(
  { number, period, total, currency, due_date, issuer, kind }: InvoiceDocument,
  what: string,
): string {
  const lines = [
    `${what} ${number} for ${period.month} is attached.`,
    '',
    `Total: ${total} ${currency}`,
    ...(kind === 'invoice' && due_date !== null ? [`Due: ${due_date}`] : []),
    ...(kind === 'invoice' && issuer.payment.length > 0 ? ['', ...issuer.payment] : []),
    '',
    issuer.name,
  ];
  return `${lines.join('\n')}\n`;
}
