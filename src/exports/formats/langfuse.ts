import { z } from 'zod';
import { parseJsonText } from '../../core/json.ts';
import type { ExportFormat } from '../http-sink.ts';
import { type ExportedRecord, isExportedRequest } from '../record.ts';

const TOO_MANY = 429;
const response = z.object({
  errors: z.array(
    z.object({ id: z.string(), status: z.int(), message: z.string().nullish(), error: z.unknown() }),
  ),
});

/**
 * A trace for each request and a generation for each attempt or logged request, by the ingestion API of Langfuse. It identifies both by
 * their ids, so repetitions change nothing.
 * @see https://api.reference.langfuse.com
 */
export function langfuseFormat(url: string, publicKey: string, secretKey: string): ExportFormat {
  const authorization = `Basic ${Buffer.from(`${publicKey}:${secretKey}`).toString('base64')}`;
  return {
    requestOf: ({ records }) => ({
      url: `${url}/api/public/ingestion`,
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ batch: records.flatMap(eventsOf) }),
    }),
    outcomeOf(text) {
      const parsed = response.safeParse(parseJsonText(text));
      if (!parsed.success) return { kind: 'failed', reason: 'the response does not list the events' };
      const { errors } = parsed.data;
      const later = errors.find(({ status }) => status >= 500 || status === TOO_MANY);
      if (later) return { kind: 'failed', reason: `event status ${later.status}` };
      // A record has two events.
      const reasons = new Map(
        errors.map(({ id, status, message }) => [
          id.replace(/:(?:trace|generation)$/, ''),
          message ?? `event status ${status}`,
        ]),
      );
      return { kind: 'sent', dropped: [...reasons].map(([id, reason]) => ({ id, reason })) };
    },
  };
}

function eventsOf(record: ExportedRecord): readonly Record<string, unknown>[] {
  const { id, request_id, at, first_event_ms, status } = record;
  const started = Date.parse(at);
  const timestamp = at;
  const metadata = {
    ...{ tenant: record.tenant, key: record.key, provider: record.provider, outcome: record.outcome },
    ...{ upstream_model: record.upstream_model, status },
    ...(isExportedRequest(record)
      ? { attempts: record.attempts, truncated: record.truncated }
      : { client: record.client }),
  };
  const content = isExportedRequest(record) && { input: record.request, output: record.response };
  const time = (ms: number) => new Date(started + ms).toISOString();
  return [
    {
      ...{ id: `${id}:trace`, type: 'trace-create', timestamp },
      body: {
        ...{ id: request_id, timestamp, name: record.operation, tags: record.tags },
        ...{ userId: record.user ?? record.key, metadata: { tenant: record.tenant } },
        ...content,
      },
    },
    {
      ...{ id: `${id}:generation`, type: 'generation-create', timestamp },
      body: {
        ...{ id, traceId: request_id, name: record.operation, model: record.model, metadata },
        ...content,
        ...{ startTime: at, endTime: time(record.duration_ms) },
        ...(first_event_ms !== null && { completionStartTime: time(first_event_ms) }),
        usageDetails: {
          input: record.input_tokens - record.cached_tokens,
          ...(record.cached_tokens > 0 && { input_cached_tokens: record.cached_tokens }),
          output: record.output_tokens,
        },
        ...(record.cost_usd !== null && { costDetails: { total: Number(record.cost_usd) } }),
        level: status >= 400 ? 'ERROR' : 'DEFAULT',
        ...(record.error !== null && { statusMessage: record.error }),
      },
    },
  ];
}
