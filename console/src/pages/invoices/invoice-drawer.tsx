import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, pathOf } from '../../lib/api.ts';
import type { Invoice, InvoiceDocument } from '../../lib/billing.ts';
import type { ListPage } from '../../lib/paged.ts';
import { usePageSearch } from '../../lib/search.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { ConfirmDialog, Dialog, Drawer } from '../../ui/dialog.tsx';
import { Badge, ErrorPanel, Skeleton, type Tone } from '../../ui/feedback.tsx';
import { TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { Panel } from '../../ui/page.tsx';
import { CreditDialog } from './credit-dialog.tsx';
import { InvoiceView } from './invoice-view.tsx';

export const INVOICE_TONES: Readonly<Record<Invoice['status'], Tone>> = {
  draft: 'neutral',
  open: 'neutral',
  paid: 'good',
  void: 'neutral',
};

type Action = 'issue' | 'pay' | 'void' | 'credit' | 'send' | 'discard';

type WholeInvoice = Invoice & { readonly document: InvoiceDocument };

/** What is possible in each status. */
const ACTIONS: Readonly<Record<Invoice['status'], readonly Action[]>> = {
  draft: ['issue', 'discard'],
  open: ['pay', 'send', 'credit', 'void'],
  paid: ['send', 'credit'],
  void: [],
};
const LABELS: Readonly<Record<Action, string>> = {
  issue: 'Issue',
  pay: 'Mark as paid',
  void: 'Void',
  credit: 'Credit',
  send: 'Send by mail',
  discard: 'Discard',
};

/** One invoice, with its lines and what can be done with it. */
export function InvoiceDrawer({
  id,
  path,
  onClose,
}: {
  readonly id: string;
  readonly path: string;
  readonly onClose: () => void;
}) {
  const { can } = useSession();
  const [action, setAction] = useState<Action>();
  const own = pathOf(path, id);
  const { data, error, refetch } = useQuery({
    queryKey: ['billing', 'invoice', own],
    queryFn: ({ signal }) => api.request<WholeInvoice>('GET', own, { signal }),
  });
  const invoice = data?.data;
  const title = invoice ? titleOf(invoice) : 'Invoice';
  const actions = invoice && can('invoices:write') ? ACTIONS[invoice.status] : [];
  const shown = actions.filter((one) => one !== 'credit' || invoice?.kind === 'invoice');
  return (
    <Drawer isOpen onClose={onClose} title={title} description={invoice?.document.customer.name}>
      {error ? (
        <ErrorPanel what="The invoice could not be read" error={error} retry={() => void refetch()} />
      ) : !invoice ? (
        <Skeleton className="h-64" />
      ) : (
        <div className="flex flex-col gap-4">
          <div className="flex flex-wrap items-center gap-2">
            <Badge tone={INVOICE_TONES[invoice.status]}>{invoice.status}</Badge>
            {invoice.due_date && <span className="text-muted">due {invoice.due_date}</span>}
            <span className="grow" />
            {(['pdf', 'csv'] as const).map((format) => (
              <a
                key={format}
                href={`${own}?format=${format}`}
                download
                className="inline-flex items-center rounded border border-line px-2.5 h-8 font-medium hover:bg-raised"
              >
                {format.toUpperCase()}
              </a>
            ))}
            {shown.map((one) => (
              <Button
                key={one}
                variant={
                  one === 'issue' ? 'primary' : one === 'void' || one === 'discard' ? 'danger' : 'default'
                }
                onClick={() => setAction(one)}
              >
                {LABELS[one]}
              </Button>
            ))}
          </div>
          {invoice.note && <p className="text-muted">{invoice.note}</p>}
          <InvoiceView document={invoice.document} />
          <Related path={path} invoice={invoice} />
        </div>
      )}
      {invoice && action && (
        <ActionDialog
          action={action}
          invoice={invoice}
          etag={data?.etag}
          onClose={() => setAction(undefined)}
          onDiscarded={onClose}
        />
      )}
    </Drawer>
  );
}

/** The invoice that a credit note credits, and the credit notes of an invoice. */
function Related({ path, invoice }: { readonly path: string; readonly invoice: Invoice }) {
  const [, change] = usePageSearch();
  const { id, kind, month, tenant, credits } = invoice;
  const { can } = useSession();
  const { data } = useQuery({
    queryKey: ['billing', 'credit notes', path, id],
    queryFn: ({ signal }) =>
      api.get<ListPage<Invoice>>(path, {
        query: { month, limit: MAX_RELATED, ...(can('tenants:list') && { tenant }) },
        signal,
      }),
    enabled: kind === 'invoice' && invoice.number !== null,
  });
  const notes = data?.data.filter((one) => one.credits === id) ?? [];
  if (credits !== null) {
    return (
      <Button className="self-start" onClick={() => change({ invoice: credits }, true)}>
        Open the credited invoice
      </Button>
    );
  }
  if (notes.length === 0) return null;
  return (
    <Panel title="Credit notes">
      <ul className="flex flex-col gap-1">
        {notes.map((note) => (
          <li key={note.id} className="flex items-center gap-3">
            <Button variant="quiet" onClick={() => change({ invoice: note.id }, true)}>
              {note.number}
            </Button>
            <span className="tabular-nums ml-auto">
              {note.total} {note.currency}
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

const MAX_RELATED = 200;

function titleOf({ number, kind, month, tenant }: Invoice): string {
  if (number !== null) return `${kind === 'credit_note' ? 'Credit note' : 'Invoice'} ${number}`;
  return `Draft of ${month} for ${tenant}`;
}

interface ActionProps {
  readonly action: Action;
  readonly invoice: WholeInvoice;
  readonly etag: string | undefined;
  readonly onClose: () => void;
  /** The invoice no longer exists. */
  readonly onDiscarded: () => void;
}

/** Asks for what an action needs, and does it with the version that was shown. */
function ActionDialog(props: ActionProps) {
  const { action, invoice, etag, onClose, onDiscarded } = props;
  const client = useQueryClient();
  const path = `/admin/v1/billing/invoices/${invoice.id}`;
  if (action === 'credit') {
    return <CreditDialog {...{ invoice, path, onClose }} document={invoice.document} />;
  }
  if (action !== 'issue' && action !== 'discard') return <TextAction {...props} path={path} />;
  const isIssue = action === 'issue';
  return (
    <ConfirmDialog
      isOpen
      onClose={onClose}
      title={isIssue ? 'Issue the invoice' : 'Discard the draft'}
      action={LABELS[action]}
      isDanger={!isIssue}
      lost={
        isIssue
          ? `${invoice.total} ${invoice.currency} for ${invoice.tenant}. It gets the next number and never changes again.`
          : `The draft of ${invoice.month} over ${invoice.total} ${invoice.currency}. Its month can be closed again.`
      }
      onConfirm={async () => {
        if (isIssue) await api.post(`${path}/issue`, undefined, { ifMatch: etag });
        else await api.delete(path, { ifMatch: etag });
        if (!isIssue) onDiscarded();
        void client.invalidateQueries();
      }}
    />
  );
}

const QUESTIONS = {
  pay: { member: 'note', label: 'Note', isRequired: false, hint: 'Such as the reference of the payment.' },
  void: {
    member: 'reason',
    label: 'Reason',
    isRequired: true,
    hint: 'Its number stays used, and its month can be closed again.',
  },
  send: { member: 'to', label: 'To', isRequired: false, hint: 'Default: the address of the customer.' },
} as const;

function TextAction({ action, invoice, etag, path, onClose }: ActionProps & { readonly path: string }) {
  const question = QUESTIONS[action === 'pay' || action === 'void' ? action : 'send'];
  const [text, setText] = useState('');
  const form = useForm(async () => {
    const body = text === '' ? {} : { [question.member]: text };
    // A mail and a credit note leave the invoice as it was shown.
    const seen = action === 'pay' || action === 'void' ? { ifMatch: etag } : {};
    await api.post(`${path}/${action}`, body, seen);
    onClose();
  }, [question.member]);
  return (
    <Dialog isOpen onClose={onClose} title={`${LABELS[action]}: ${invoice.number ?? invoice.month}`}>
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <TextField
          label={question.label}
          hint={question.hint}
          required={question.isRequired}
          maxLength={500}
          placeholder={action === 'send' ? (invoice.document.customer.email ?? '') : ''}
          value={text}
          onChange={({ target }) => setText(target.value)}
          error={form.errorOf(question.member)}
        />
        <FormEnd state={form} action={LABELS[action]} onCancel={onClose} what="Nothing was changed" />
      </form>
    </Dialog>
  );
}
