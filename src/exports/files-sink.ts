import { gzipSync } from 'node:zlib';
import { type ObjectStorage, ObjectStorageError } from '../platform/object-storage/object-storage.ts';
import type { ExportedRecord } from './record.ts';
import { type ExportBatch, type ExportSink, SENT, type SinkOutcome } from './sink.ts';

/**
 * Writes compressed files of JSON lines, by tenant and day (UTC). The name of a file is that of the position at which it
 * begins, so a repetition after a failure replaces the file, with at least the same records.
 */
export class FilesSink implements ExportSink {
  constructor(private readonly storage: ObjectStorage) {}

  async send({ tenant, from, records }: ExportBatch): Promise<SinkOutcome> {
    const days = new Map<string, ExportedRecord[]>();
    for (const record of records) {
      const day = record.at.slice(0, 10);
      days.set(day, [...(days.get(day) ?? []), record]);
    }
    const name = `${String(from.sequence).padStart(16, '0')}-${String(from.line).padStart(8, '0')}.ndjson.gz`;
    try {
      for (const [day, some] of days) {
        const text = some.map((record) => `${JSON.stringify(record)}\n`).join('');
        const key = `tenant=${tenant}/date=${day}/${name}`;
        await this.storage.put(key, gzipSync(text), { contentType: 'application/gzip' });
      }
      return SENT;
    } catch (error) {
      if (error instanceof ObjectStorageError) return { kind: 'failed', reason: error.message };
      throw error;
    }
  }
}
