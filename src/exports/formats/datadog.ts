import type { ExportFormat } from '../http-sink.ts';
import { isExportedRequest } from '../record.ts';
import { SENT } from '../sink.ts';

/**
 * Logs of Datadog, by version 2 of its intake.
 * @see https://docs.datadoghq.com/api/latest/logs/
 */
export function datadogFormat(url: string, key: string): ExportFormat {
  return {
    requestOf: ({ records }) => ({
      url: `${url}/api/v2/logs`,
      headers: { 'dd-api-key': key, 'content-type': 'application/json' },
      body: JSON.stringify(
        records.map((record) => ({
          ...{ ddsource: 'weir', service: 'weir' },
          ddtags: `tenant:${record.tenant},model:${record.model},provider:${record.provider ?? 'none'}`,
          message: `${record.operation} ${record.model} ${record.status}`,
          status: record.status >= 400 ? 'error' : 'info',
          // Milliseconds, which the intake takes for the time of the log.
          timestamp: Date.parse(record.at),
          ...(isExportedRequest(record) ? { request_log: record } : { usage: record }),
        })),
      ),
    }),
    outcomeOf: () => SENT,
  };
}
