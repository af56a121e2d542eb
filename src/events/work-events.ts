import { z } from 'zod';
import { ALERT_KINDS, ALERT_SEVERITIES } from '../core/alert.ts';
import { count, durable, text, time } from './contract.ts';

const AT = Date.UTC(2026, 10, 1, 12);

const invoiceFields = {
  invoice: text.describe('its id'),
  number: text.nullable().describe('null for a draft'),
  total: text.describe('a decimal number, such as `119.00`'),
  currency: text.describe('ISO 4217'),
  due_at: time.nullable(),
};
const subjectOfInvoice = ({ invoice }: { invoice: string }) => `invoice:${invoice}`;
const exampleInvoice = {
  ...{ invoice: 'inv_20261101', number: '2026-0007', total: '119.00', currency: 'EUR', due_at: AT },
};

const alertFields = {
  alert: text.describe('its id; the same when it recovers'),
  rule: text.describe('id of the rule'),
  kind: z.enum(ALERT_KINDS),
  subject: text.describe('what it is about, within the rule'),
  severity: z.enum(ALERT_SEVERITIES),
  summary: text,
  value: z.number().describe('what was measured last'),
  threshold: z.number().nullable(),
  unit: text.describe('of `value` and `threshold`'),
  since: time.describe('when its condition began to hold'),
};
const exampleAlert = {
  ...{ alert: 'alt_31b0', rule: 'error_rate', summary: '7 % of the requests to fast fail.' },
  ...{ kind: 'error_rate' as const, subject: 'fast', severity: 'critical' as const },
  ...{ value: 7, threshold: 5, unit: '%', since: AT },
};

const batchFields = {
  batch: text,
  total: count.describe('lines'),
  completed: count,
  failed: count,
};
const subjectOfBatch = ({ batch }: { batch: string }) => `batch:${batch}`;
const exampleBatch = { batch: 'batch_8e2f', total: 1_000, completed: 998, failed: 2 };

/** Durable events of invoices, reports, alerts, batches and webhooks. */
export const WORK_CONTRACTS = {
  'invoice.created': durable('A draft of an invoice was made.', invoiceFields, subjectOfInvoice, {
    ...exampleInvoice,
    number: null,
  }),
  'invoice.issued': durable(
    'An invoice got its number and is final.',
    invoiceFields,
    subjectOfInvoice,
    exampleInvoice,
  ),
  'invoice.paid': durable('An invoice was paid.', invoiceFields, subjectOfInvoice, exampleInvoice),
  'invoice.voided': durable('An invoice was declared void.', invoiceFields, subjectOfInvoice, exampleInvoice),
  'invoice.overdue': durable(
    'The due date of an invoice has passed.',
    invoiceFields,
    subjectOfInvoice,
    exampleInvoice,
  ),
  'credit_note.issued': durable(
    'A credit note for an invoice was issued.',
    { ...invoiceFields, credit_note: text.describe('its id') },
    subjectOfInvoice,
    { ...exampleInvoice, number: '2026-0008', total: '-19.00', credit_note: 'crn_1' },
  ),
  'report.created': durable(
    'A scheduled report is ready.',
    { report: text, name: text, from: time, to: time },
    ({ report }) => `report:${report}`,
    { report: 'rep_5', name: 'monthly cost', from: Date.UTC(2026, 9), to: Date.UTC(2026, 10) },
  ),
  'alert.fired': durable('An alert began.', alertFields, ({ alert }) => `alert:${alert}`, exampleAlert),
  'alert.resolved': durable(
    'The condition of an alert has ended.',
    alertFields,
    ({ alert }) => `alert:${alert}`,
    exampleAlert,
  ),
  'alert.undelivered': durable(
    'A message about alerts could not be delivered to a receiver, and is not sent again.',
    {
      receiver: text,
      name: text.describe('of the receiver'),
      message: text,
      rule: text.describe('id of the rule'),
      reason: text,
    },
    ({ receiver }) => `alert_receiver:${receiver}`,
    { receiver: 'rcv_70aa', name: 'on call', message: 'msg_4e', rule: 'error_rate', reason: 'HTTP 404' },
  ),
  'async.completed': durable(
    'A queued request has a response.',
    { async: text.describe('its id'), status: z.int() },
    ({ async }) => `async:${async}`,
    { async: 'async_4a7d', status: 200 },
  ),
  'async.failed': durable(
    'A queued request failed or expired.',
    { async: text.describe('its id'), code: text.describe('of the error') },
    ({ async }) => `async:${async}`,
    { async: 'async_4a7d', code: 'upstream_error' },
  ),
  'batch.created': durable('A batch was accepted.', batchFields, subjectOfBatch, {
    ...exampleBatch,
    completed: 0,
    failed: 0,
  }),
  'batch.completed': durable(
    'Each line of a batch has a result or an error.',
    batchFields,
    subjectOfBatch,
    exampleBatch,
  ),
  'batch.failed': durable(
    'A batch could not be run, for example because its file is not valid.',
    { ...batchFields, reason: text },
    subjectOfBatch,
    { ...exampleBatch, completed: 0, failed: 0, reason: 'line 7 is not JSON' },
  ),
  'batch.cancelled': durable('A batch was cancelled.', batchFields, subjectOfBatch, {
    ...exampleBatch,
    completed: 400,
  }),
  'batch.expired': durable(
    'A batch did not end in time. Lines without a result have an error.',
    batchFields,
    subjectOfBatch,
    { ...exampleBatch, completed: 700 },
  ),
  'webhook.test': durable(
    'A test of a webhook endpoint.',
    { webhook: text, message: text },
    ({ webhook }) => `webhook:${webhook}`,
    { webhook: 'whk_6c1d', message: 'This is a test.' },
  ),
  'webhook.disabled': durable(
    'A webhook endpoint failed for too long. It gets no events until it is enabled.',
    { webhook: text, url: text, reason: text, failing_since: time },
    ({ webhook }) => `webhook:${webhook}`,
    { webhook: 'whk_6c1d', url: 'https://hooks.example.com', reason: 'HTTP 500', failing_since: AT },
  ),
};
