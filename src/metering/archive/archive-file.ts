import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { createZstdCompress, zstdDecompress } from 'node:zlib';
import { z } from 'zod';
import { parseJsonText } from '../../core/json.ts';
import { type ObjectStorage, readObject } from '../../platform/object-storage/object-storage.ts';
import type { ArchivedBatch, UsageArchive } from '../../storage/sql/usage-archive-store.ts';
import { eventOf, type UsageEvent } from '../../storage/usage-event.ts';

const decompress = promisify(zstdDecompress);

/** Version of the layout of an archive. */
const FORMAT = 1;
/** Of one file, compressed: events of at most a few batches. */
const MAX_BYTES = 512 * 1024 * 1024;

const count = z.int().nonnegative();

/** Describes a file, under a key of its own, so that it can be checked and read without the database. */
const manifestSchema = z.strictObject({
  format: z.literal(FORMAT),
  tenant: z.string(),
  archive: z.string(),
  month: z.string().describe('UTC.'),
  first_at: z.iso.datetime(),
  last_at: z.iso.datetime(),
  events: count,
  batches: z.array(z.tuple([z.string(), count, count])).describe('Batch, first line, line after the last.'),
  file: z.string(),
  bytes: count,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type ArchiveManifest = z.infer<typeof manifestSchema>;

/** An archive is missing, incomplete or altered. The message names it. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
}

/** A usage event with the batch that it was stored in. */
export interface ArchivedEvent {
  readonly batch: string;
  /** As the database had it. */
  readonly line: string;
  /** Undefined for a line that this version cannot read. */
  readonly event: UsageEvent | undefined;
}

/** @returns the key of a file with events; its manifest's key ends with `.manifest.json` */
export function keyOf(tenant: string, { month, id }: Pick<UsageArchive, 'month' | 'id'>): string {
  return `${tenant}/${month}/${id}.ndjson.zst`;
}

function manifestKey(key: string): string {
  return key.replace(/\.ndjson\.zst$/, '.manifest.json');
}

/**
 * Writes a file and its manifest, and reads the file again: what it contains is about to be deleted elsewhere. Writing it
 * twice gives the same file.
 *
 * @param linesOf reads the lines of a batch
 * @throws ArchiveError when a line is missing, or when the storage returns something else
 */
export async function writeArchive(
  storage: ObjectStorage,
  tenant: string,
  archive: UsageArchive,
  linesOf: (batch: ArchivedBatch) => Promise<readonly string[]>,
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const key = keyOf(tenant, archive);
  const digest = createHash('sha256');
  let bytes = 0;
  let events = 0;
  async function* records(): AsyncGenerator<string> {
    for (const batch of archive.batches) {
      for (const line of await linesOf(batch)) {
        events += 1;
        yield `${JSON.stringify(recordOf(batch[0], line))}\n`;
      }
    }
    if (events !== archive.events) {
      throw new ArchiveError(`Archive ${key}: ${events} of ${archive.events} events are in the database.`);
    }
  }
  async function* compressed(): AsyncGenerator<Uint8Array> {
    const zstd = createZstdCompress();
    const source = Readable.from(records());
    source.on('error', (error) => zstd.destroy(error));
    source.pipe(zstd);
    for await (const piece of zstd) {
      digest.update(piece);
      bytes += piece.length;
      yield piece;
    }
  }
  await storage.put(key, compressed(), { contentType: 'application/zstd' });
  const sha256 = digest.digest('hex');
  const manifest: ArchiveManifest = {
    ...{ format: FORMAT, tenant, archive: archive.id, month: archive.month },
    first_at: new Date(archive.firstAt).toISOString(),
    last_at: new Date(archive.lastAt).toISOString(),
    ...{ events, batches: archive.batches.map(([id, from, to]) => [id, from, to]), file: key, bytes, sha256 },
  };
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  await storage.put(manifestKey(key), new TextEncoder().encode(text), { contentType: 'application/json' });
  assertDigest(key, sha256, await readObject(storage, key, MAX_BYTES));
  return { bytes, sha256 };
}

/** @returns the events of a file whose digest is that of its manifest. @throws ArchiveError */
export async function readArchive(
  storage: ObjectStorage,
  tenant: string,
  archive: Pick<UsageArchive, 'month' | 'id' | 'sha256'>,
): Promise<ArchivedEvent[]> {
  const key = keyOf(tenant, archive);
  const text = (await readObject(storage, manifestKey(key), MAX_BYTES)).toString();
  const { data: manifest } = manifestSchema.safeParse(parseJsonText(text));
  if (manifest?.file !== key) throw new ArchiveError(`Archive ${key}: its manifest is not valid.`);
  const { sha256, events } = manifest;
  if (archive.sha256 !== null && archive.sha256 !== sha256) {
    throw new ArchiveError(`Archive ${key}: the manifest is not the one that the database knows.`);
  }
  const content = await readObject(storage, key, MAX_BYTES);
  assertDigest(key, sha256, content);
  const lines = (await decompress(content))
    .toString()
    .split('\n')
    .filter((line) => line !== '');
  if (lines.length !== events)
    throw new ArchiveError(`Archive ${key}: ${lines.length} events instead of ${events}.`);
  return lines.map((line) => {
    const found = archivedEvent(line);
    if (!found) throw new ArchiveError(`Archive ${key}: a line is no record: ${line.slice(0, 100)}`);
    return found;
  });
}

/** Deletes a file and its manifest; no error where they do not exist. */
export async function deleteArchiveFile(
  storage: ObjectStorage,
  tenant: string,
  archive: Pick<UsageArchive, 'month' | 'id'>,
): Promise<void> {
  const key = keyOf(tenant, archive);
  await storage.delete(key);
  await storage.delete(manifestKey(key));
}

function assertDigest(key: string, sha256: string, content: Uint8Array): void {
  if (createHash('sha256').update(content).digest('hex') === sha256) return;
  throw new ArchiveError(`Archive ${key}: the storage returns other bytes than were written.`);
}

/** Members in snake case, so that other tools read the file; `line` of an event that this version cannot read. */
function recordOf(batch: string, line: string): Readonly<Record<string, unknown>> {
  const event = eventOf(line);
  if (!event) return { batch, line };
  const { id, tenant, requestId, at, keyId, member, model, provider, upstreamModel, ...rest } = event;
  const { operation, tags, status, outcome, requests, costPico, estimated } = rest;
  return {
    ...{ id, at, tenant, request: requestId, key: keyId, user: member, model, provider },
    ...{ upstream_model: upstreamModel, operation, tags, client: rest.client, status, outcome, requests },
    ...{ input_tokens: rest.inputTokens, output_tokens: rest.outputTokens, cached_tokens: rest.cachedTokens },
    ...{ cache_write_tokens: rest.cacheWriteTokens, reasoning_tokens: rest.reasoningTokens },
    ...{ cost_pico: costPico, output_cost_pico: rest.outputCostPico, estimated },
    ...{ duration_ms: rest.durationMs, first_event_ms: rest.firstEventMs, saved: rest.saved },
    ...{ prompt_saved_pico: rest.promptSavedPico, request_facts: rest.request, batch },
    // As it was, for a restore.
    line,
  };
}

const record = z.object({ batch: z.string(), line: z.string() });

function archivedEvent(text: string): ArchivedEvent | undefined {
  const { data } = record.safeParse(parseJsonText(text));
  return data && { ...data, event: eventOf(data.line) };
}
