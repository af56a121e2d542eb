import { z } from 'zod';
import { parseJsonText } from '../../core/json.ts';
import type { ExportFormat } from '../http-sink.ts';
import type { ExportedUsage } from '../record.ts';
import { SENT } from '../sink.ts';

const SEVERITY = { info: 9, error: 17 } as const;
const TRACE_ID = /^[0-9a-f]{32}$/;
const partial = z.object({
  partialSuccess: z
    .object({
      // Integers of 64 bits are texts in the JSON form of protobuf.
      rejectedLogRecords: z.coerce.number().int().optional(),
      errorMessage: z.string().optional(),
    })
    .optional(),
});

/**
 * Logs of OpenTelemetry, as OTLP/HTTP with JSON: one log record for each usage event, whose members are attributes.
 * @see https://opentelemetry.io/docs/specs/otlp/
 */
export function otlpFormat(
  url: string,
  headers: Readonly<Record<string, string>>,
  now: () => number,
): ExportFormat {
  return {
    requestOf({ records }) {
      const observed = nanoseconds(now());
      const resource = { attributes: attributesOf({ 'service.name': 'weir' }) };
      const logRecords = records.map((record) => logRecordOf(record, observed));
      const scopeLogs = [{ scope: { name: 'weir.usage' }, logRecords }];
      return {
        url: `${url}/v1/logs`,
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ resourceLogs: [{ resource, scopeLogs }] }),
      };
    },
    outcomeOf(text, { records }) {
      const parsed = partial.safeParse(parseJsonText(text === '' ? '{}' : text));
      const { rejectedLogRecords: count = 0, errorMessage } = parsed.data?.partialSuccess ?? {};
      if (count <= 0) return SENT;
      // The response does not say which ones, and clients must not send them again.
      const reason = errorMessage ?? 'rejected by the collector';
      const dropped = records
        .slice(0, count)
        .map(() => ({ id: `one of ${records[0]?.id ?? ''}...`, reason }));
      return { kind: 'sent', dropped };
    },
  };
}

function logRecordOf(record: ExportedUsage, observed: string) {
  const level = record.status >= 400 ? 'error' : 'info';
  const { trace_id } = record;
  return {
    timeUnixNano: nanoseconds(Date.parse(record.at)),
    observedTimeUnixNano: observed,
    ...{ severityNumber: SEVERITY[level], severityText: level.toUpperCase(), eventName: 'weir.usage' },
    body: { stringValue: `${record.operation} ${record.model} ${record.status}` },
    attributes: attributesOf(
      Object.fromEntries(Object.entries(record).map(([name, value]) => [`weir.usage.${name}`, value])),
    ),
    ...(trace_id !== null && TRACE_ID.test(trace_id) && { traceId: trace_id }),
  };
}

function nanoseconds(ms: number): string {
  return `${ms}000000`;
}

function attributesOf(values: Readonly<Record<string, unknown>>) {
  return Object.entries(values).flatMap(([key, value]) =>
    value === null || value === undefined ? [] : [{ key, value: anyValueOf(value) }],
  );
}

function anyValueOf(value: unknown): Record<string, unknown> {
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValueOf) } };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value !== 'number') return { stringValue: String(value) };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}
