import { z } from 'zod';
import { GEN_AI_OPERATIONS } from '../../core/gen-ai-operations.ts';
import { isRecord, parseJsonText } from '../../core/json.ts';
import { finishReasons, inputMessages, outputMessages, systemInstructions } from '../gen-ai-messages.ts';
import type { ExportFormat } from '../http-sink.ts';
import {
  type ExportedRecord,
  type ExportedRequest,
  type ExportedUsage,
  isExportedRequest,
} from '../record.ts';
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

const OPERATIONS: ReadonlyMap<string, string> = new Map(Object.entries(GEN_AI_OPERATIONS));
/** The event of the conventions for one call of a model with its contents. */
const CALL_EVENT = 'gen_ai.client.inference.operation.details';

export interface OtlpOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** The value of `gen_ai.provider.name` for the id of a provider. */
  readonly providerName: (id: string) => string;
}

/**
 * Logs of OpenTelemetry, as OTLP/HTTP with JSON: one log record for each usage event, whose members are attributes, or for
 * each logged request, with the attributes of the GenAI conventions.
 * @see https://opentelemetry.io/docs/specs/otlp/
 */
export function otlpFormat({ url, headers, now, providerName }: OtlpOptions): ExportFormat {
  return {
    requestOf({ records }) {
      const observed = nanoseconds(now());
      const resource = { attributes: attributesOf({ 'service.name': 'weir' }) };
      const logRecords = records.map((record) => logRecordOf(record, observed, providerName));
      const isLog = records.some(isExportedRequest);
      const scopeLogs = [{ scope: { name: isLog ? 'weir.request_log' : 'weir.usage' }, logRecords }];
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

function logRecordOf(record: ExportedRecord, observed: string, providerName: OtlpOptions['providerName']) {
  const level = record.status >= 400 ? 'error' : 'info';
  const { trace_id } = record;
  const isLog = isExportedRequest(record);
  return {
    timeUnixNano: nanoseconds(Date.parse(record.at)),
    observedTimeUnixNano: observed,
    ...{ severityNumber: SEVERITY[level], severityText: level.toUpperCase() },
    eventName: isLog ? CALL_EVENT : 'weir.usage',
    body: { stringValue: `${record.operation} ${record.model} ${record.status}` },
    attributes: attributesOf(isLog ? callAttributes(record, providerName) : usageAttributes(record)),
    ...(trace_id !== null && TRACE_ID.test(trace_id) && { traceId: trace_id }),
  };
}

function usageAttributes(record: ExportedUsage): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [`weir.usage.${name}`, value]));
}

function callAttributes(
  record: ExportedRequest,
  providerName: OtlpOptions['providerName'],
): Readonly<Record<string, unknown>> {
  const { request, response, provider } = record;
  const input = inputMessages(request);
  const output = outputMessages(response);
  return {
    'gen_ai.operation.name': OPERATIONS.get(record.operation) ?? record.operation,
    'gen_ai.provider.name': provider === null ? null : providerName(provider),
    'gen_ai.request.model': record.model,
    'gen_ai.response.model': record.upstream_model,
    'gen_ai.usage.input_tokens': record.input_tokens,
    'gen_ai.usage.output_tokens': record.output_tokens,
    'gen_ai.response.finish_reasons': nonEmpty(finishReasons(output)),
    'gen_ai.system_instructions': nonEmpty(systemInstructions(request)),
    'gen_ai.input.messages': nonEmpty(input),
    'gen_ai.output.messages': nonEmpty(output),
    // Such as a body that was cut, or a list of documents.
    'weir.request.body': input.length === 0 ? jsonText(request) : null,
    'weir.response.body': output.length === 0 ? jsonText(response) : null,
    'error.type': record.error,
    'http.response.status_code': record.status,
    'weir.record_id': record.id,
    'weir.request_id': record.request_id,
    'weir.tenant': record.tenant,
    'weir.key': record.key,
    'weir.user': record.user,
    'weir.outcome': record.outcome,
    'weir.attempts': record.attempts,
    'weir.tags': nonEmpty(record.tags),
    'weir.cost_usd': record.cost_usd === null ? null : Number(record.cost_usd),
    'weir.duration_ms': record.duration_ms,
    'weir.first_event_ms': record.first_event_ms,
    'weir.truncated': nonEmpty(record.truncated),
  };
}

function nonEmpty<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : list;
}

function jsonText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
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
  if (isRecord(value)) return { kvlistValue: { values: attributesOf(value) } };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value !== 'number') return { stringValue: String(value) };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}
