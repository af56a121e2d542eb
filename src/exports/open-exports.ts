import type { ExportSettings } from './create-sink.ts';
import { cursorId } from './export-id.ts';
import type { Export } from './export-run.ts';
import type { ExportSink } from './sink.ts';
import type { ExportSource } from './source.ts';

export interface OpenExportsOptions {
  readonly sources: Readonly<Record<ExportSettings['source'], ExportSource>>;
  /** @throws an error for a receiver that cannot be used */
  readonly sinkOf: (settings: ExportSettings) => ExportSink;
  /** Unix milliseconds: exports that are new to the database take no earlier records. */
  readonly beginsAt: number;
}

export interface OpenedExports {
  readonly exports: readonly Export[];
  /** Of exports that have no usable receiver, by id: the others run without them. */
  readonly faults: ReadonlyMap<string, unknown>;
}

/** Builds the exports of a configuration. */
export function openExports(
  settings: readonly ExportSettings[],
  { sources, sinkOf, beginsAt }: OpenExportsOptions,
): OpenedExports {
  const exports: Export[] = [];
  const faults = new Map<string, unknown>();
  for (const one of settings) {
    try {
      exports.push({
        ...{ beginsAt, id: one.id, cursor: cursorId(one), type: one.type, source: sources[one.source] },
        ...{ tenants: one.tenants, every: one.every, maxRecords: one.max_records, maxBytes: one.max_bytes },
        ...{ maxRecordBytes: one.max_record_bytes, sink: sinkOf(one) },
      });
    } catch (error) {
      faults.set(one.id, error);
    }
  }
  return { exports, faults };
}
