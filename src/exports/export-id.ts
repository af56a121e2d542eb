import type { ExportSettings } from './create-sink.ts';

const LOG = ':request_log';

/**
 * The name under which the positions of an export are stored: those in usage and those in the request log are different, so
 * that an export whose source is changed begins again.
 */
export function cursorId({ id, source }: Pick<ExportSettings, 'id' | 'source'>): string {
  return source === 'usage' ? id : `${id}${LOG}`;
}

/** @returns the export of a stored name */
export function exportOf(cursor: string): Pick<ExportSettings, 'id' | 'source'> {
  return cursor.endsWith(LOG)
    ? { id: cursor.slice(0, -LOG.length), source: 'request_log' }
    : { id: cursor, source: 'usage' };
}
