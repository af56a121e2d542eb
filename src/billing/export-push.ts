import type { Clock } from '../core/clock.ts';
import type { PostOptions, PostResult } from '../platform/guarded-post.ts';
import type { ExportFormat, ExportRecord } from './exports.ts';

/** Where exports are sent. */
export interface PushTarget {
  /** Of the receiver's API. */
  readonly url: string;
  /** Sent as `Authorization: Bearer`. */
  readonly key: string | undefined;
}

/** How requests are sent. */
export interface PushTransport {
  readonly clock: Clock;
  /** Sends a request to an address that it has checked. @throws Error with the reason, when there is no response */
  readonly post: (url: string, options: PostOptions, signal: AbortSignal) => Promise<PostResult>;
  /** Whether the receiver may have a private address. */
  readonly allowPrivate: boolean;
}

/** The receiver rejected records, or did not respond. */
export class PushError extends Error {
  override readonly name = 'PushError';
}

/** Records of one request, as each API takes them. */
const BATCH: Readonly<Record<ExportFormat, number>> = {
  'stripe-meter-events': 1,
  'stripe-invoice-items': 1,
  lago: 100,
  openmeter: 100,
};
const ATTEMPTS = 5;
const FIRST_PAUSE_MS = 500;
const TIMEOUT_MS = 30_000;
/** Of a response. Longer ones are cut. */
const MAX_RESPONSE = 1_000;
const NEVER_ABORTED = new AbortController().signal;

/**
 * Sends records in order. Repeating it is harmless: each record has an id, and each request an idempotency key.
 *
 * @param onSent receives the number of records that the receiver accepted so far
 * @throws PushError after five attempts, or for a status other than 2xx, 429 and 5xx; earlier records were accepted
 */
export async function pushRecords(
  format: ExportFormat,
  records: readonly ExportRecord[],
  target: PushTarget,
  transport: PushTransport,
  onSent: (count: number) => void,
): Promise<void> {
  const size = BATCH[format];
  for (let at = 0; at < records.length; at += size) {
    const batch = records.slice(at, at + size);
    await pushBatch(format, batch, target, transport);
    onSent(at + batch.length);
  }
}

async function pushBatch(
  format: ExportFormat,
  batch: readonly ExportRecord[],
  { url, key }: PushTarget,
  { clock, post, allowPrivate }: PushTransport,
): Promise<void> {
  const { type, body } = bodyOf(format, batch);
  const headers = {
    'content-type': type,
    'idempotency-key': `weir-${batch[0]?.id ?? ''}-${batch.length}`,
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
  };
  let failure = '';
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    if (attempt > 1) await clock.sleep(FIRST_PAUSE_MS * 2 ** (attempt - 2));
    try {
      const options = { headers, body, allowPrivate, timeoutMs: TIMEOUT_MS, maxBytes: MAX_RESPONSE };
      const { status, text } = await post(url, options, NEVER_ABORTED);
      if (status >= 200 && status < 300) return;
      failure = `status ${status}: ${text.slice(0, 300)}`;
      if (status !== 429 && status < 500) break;
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
  }
  throw new PushError(`${url} did not accept the record ${batch[0]?.id ?? ''} (${failure})`);
}

function bodyOf(format: ExportFormat, batch: readonly ExportRecord[]): { type: string; body: string } {
  const records = batch.map(({ record }) => record);
  switch (format) {
    case 'lago':
      return { type: 'application/json', body: JSON.stringify({ events: records }) };
    case 'openmeter':
      return { type: 'application/cloudevents-batch+json', body: JSON.stringify(records) };
    case 'stripe-meter-events':
    case 'stripe-invoice-items': {
      const form = new URLSearchParams();
      for (const [name, value] of Object.entries(records[0] ?? {})) appendField(form, name, value);
      return { type: 'application/x-www-form-urlencoded', body: form.toString() };
    }
  }
}

/** Nested members are written as `payload[value]`. */
function appendField(form: URLSearchParams, name: string, value: unknown): void {
  if (typeof value === 'object' && value !== null) {
    for (const [inner, of] of Object.entries(value)) appendField(form, `${name}[${inner}]`, of);
  } else form.append(name, String(value));
}
