import type { Logger } from 'kysely';

/** Receives the time of each statement, failed ones included. Must not throw. */
export type QueryObserver = (operation: 'read' | 'write', seconds: number) => void;

const READING = /^\s*(?:select|pragma|show)\b/i;

/** @returns a logger for Kysely that reports to an observer; undefined without one, which costs nothing */
export function queryLogger(observer: QueryObserver | undefined): Logger | undefined {
  return (
    observer &&
    (({ query, queryDurationMillis }) =>
      observer(READING.test(query.sql) ? 'read' : 'write', queryDurationMillis / 1000))
  );
}
