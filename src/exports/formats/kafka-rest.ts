import { z } from 'zod';
import { parseJsonText } from '../../core/json.ts';
import type { ExportFormat } from '../http-sink.ts';

/** Of one record; the same send may succeed later. */
const RETRIABLE = 2;
const response = z.object({
  offsets: z.array(z.object({ error_code: z.int().nullish(), error: z.string().nullish() })),
});

/**
 * Messages of a Kafka topic, by the v2 API of the REST proxy. The key is the tenant, so that its records keep their order
 * within one partition.
 * @see https://docs.confluent.io/platform/current/kafka-rest/api.html
 */
export function kafkaRestFormat(
  url: string,
  topic: string,
  headers: Readonly<Record<string, string>>,
): ExportFormat {
  return {
    requestOf: ({ tenant, records }) => ({
      url: `${url}/topics/${encodeURIComponent(topic)}`,
      headers: {
        ...headers,
        'content-type': 'application/vnd.kafka.json.v2+json',
        accept: 'application/vnd.kafka.v2+json',
      },
      body: JSON.stringify({ records: records.map((value) => ({ key: tenant, value })) }),
    }),
    outcomeOf(text, { records }) {
      const parsed = response.safeParse(parseJsonText(text));
      if (parsed.data?.offsets.length !== records.length) {
        return { kind: 'failed', reason: 'the response does not list the records' };
      }
      const faults = parsed.data.offsets.flatMap(({ error_code, error }, index) =>
        error_code === null || error_code === undefined
          ? []
          : [{ id: records[index]?.id ?? '', code: error_code, reason: error ?? `error ${error_code}` }],
      );
      const retriable = faults.find(({ code }) => code === RETRIABLE);
      if (retriable) return { kind: 'failed', reason: retriable.reason };
      return { kind: 'sent', dropped: faults.map(({ id, reason }) => ({ id, reason })) };
    },
  };
}
