import { signedHeaders } from '../../webhooks/signature.ts';
import type { ExportFormat } from '../http-sink.ts';
import { SENT } from '../sink.ts';

export interface LinesOptions {
  readonly export: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: 'ndjson' | 'json';
  /** Signs requests as those of webhooks; null for none. */
  readonly secret: string | null;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** JSON lines or a JSON array, signed as Standard Webhooks. */
export function linesFormat({ export: id, url, headers, body, secret, now }: LinesOptions): ExportFormat {
  return {
    requestOf({ tenant, from, records }) {
      const text =
        body === 'json' ? JSON.stringify(records) : records.map((one) => `${JSON.stringify(one)}\n`).join('');
      // With the count: a repetition may have more records, and receivers must not take it for the same message.
      const message = `${id}_${tenant}_${from.sequence}_${from.line}_${records.length}`;
      return {
        url,
        body: text,
        headers: {
          ...headers,
          'content-type': body === 'json' ? 'application/json' : 'application/x-ndjson',
          ...(secret === null ? { 'webhook-id': message } : signedHeaders([secret], message, now(), text)),
        },
      };
    },
    outcomeOf: () => SENT,
  };
}
