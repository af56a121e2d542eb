import { gzipSync } from 'node:zlib';
import { type ObjectStorage, ObjectStorageError } from '../platform/object-storage/object-storage.ts';
import type { ExportedRecord } from './record.ts';
import { type ExportBatch, type ExportSink, SENT, type SinkOutcome } from './sink.ts';

/** No tenant can have it, and query engines skip names that begin with "_". */
const TEST_FOLDER = '_test';

/**
 * Writes compressed files of JSON lines, by tenant and day (UTC). The name of a file is that of the position at which it
 * begins, so a repetition after a failure replaces the file, with at least the same records. Positions of the two sources
 * may be equal, so names of logged requests begin with their source.
 */
export class FilesSink implements ExportSink {
  constructor(
    private readonly storage: ObjectStorage,
    private readonly source: 'usage' | 'request_log',
  ) {}

  async send({ tenant, from, records, isTest = false }: ExportBatch): Promise<SinkOutcome> {
    const days = new Map<string, ExportedRecord[]>();
    for (const record of records) {
      const day = record.at.slice(0, 10);
      days.set(day, [...(days.get(day) ?? []), record]);
    }
    const place = `${String(from.sequence).padStart(16, '0')}-${String(from.line).padStart(8, '0')}`;
    const name = `${this.source === 'usage' ? '' : `${this.source}-`}${place}.ndjson.gz`;
    try {
      for (const [day, some] of days) {
        const text = some.map((record) => `${JSON.stringify(record)}\n`).join('');
        const key = isTest
          ? `${TEST_FOLDER}/${this.source}.ndjson.gz`
          : `tenant=${tenant}/date=${day}/${name}`;
        await this.storage.put(key, gzipSync(text), { contentType: 'application/gzip' });
      }
      return SENT;
    } catch (error) {
      if (error instanceof ObjectStorageError) return { kind: 'failed', reason: error.message };
      throw error;
    }
  }
}
