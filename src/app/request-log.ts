import type { Clock } from '../core/clock.ts';
import { ReportInterval } from '../core/report-interval.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { Prices } from '../metering/prices.ts';
import { RequestLogWriter } from '../pipeline/request-log-writer.ts';
import { SensitiveFinder } from '../redaction/find.ts';
import { Redactor } from '../redaction/redactor.ts';
import { StreamRedactor } from '../redaction/stream-redactor.ts';
import { replacerOf } from '../redaction/styles.ts';
import { SqlRequestLogStore } from '../storage/sql/request-log-store.ts';
import { RequestLogKeys } from '../tenancy/request-log-keys.ts';
import type { Stores } from './stores.ts';

/** Shortest time between two reports of requests that could not be logged. */
const LOST_REPORT_MS = 60_000;

/** The log of prompts and responses: where it is stored, its keys, and who writes it. */
export interface RequestLogParts {
  readonly store: SqlRequestLogStore;
  readonly keys: RequestLogKeys;
  readonly writer: RequestLogWriter;
}

export function createRequestLog({
  stores,
  clock,
  events,
  prices,
}: {
  readonly stores: Pick<Stores, 'databases' | 'logBox' | 'sources'>;
  readonly clock: Clock;
  readonly events: EventSink;
  readonly prices: () => Prices;
}): RequestLogParts {
  const store = new SqlRequestLogStore(stores.databases);
  const keys = new RequestLogKeys({ store, box: stores.logBox, clock });
  const redactor = new Redactor(new SensitiveFinder(), replacerOf('placeholder'));
  const lost = new ReportInterval<unknown>(
    LOST_REPORT_MS,
    () => clock.now(),
    (count, error) => events.emit('request_log.dropped', { count, error }),
  );
  const writer = new RequestLogWriter({
    ...{ store, keys, clock, prices },
    redact: (text) => redactor.redact(text).text,
    redactStream: () => new StreamRedactor(redactor),
    newId: () => stores.sources.newId('log'),
    onLost: (count, error) => lost.add(count, error),
  });
  return { store, keys, writer };
}
