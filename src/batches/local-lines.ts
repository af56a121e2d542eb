import type { NewJob } from '../jobs/job-queue.ts';
import { type ObjectStorage, readObject } from '../platform/object-storage/object-storage.ts';
import type { BatchRow } from '../storage/sql/batch-tables.ts';
import { type BatchLine, chunkLines } from './batch-line.ts';
import { chunkKey, LINES } from './batch-parts.ts';

/** Bytes of a chunk: one line may be as long as a request. */
const MAX_CHUNK = 256 * 1024 * 1024;

/** A chunk of a batch's input. */
export interface InputChunk {
  readonly chunk: number;
  readonly lines: readonly BatchLine[];
}

/** Reads chunks of the input of a batch. */
export async function* inputChunks(
  storage: ObjectStorage,
  { id, total }: Pick<BatchRow, 'id' | 'total'>,
  first = 0,
  last = Number.POSITIVE_INFINITY,
): AsyncGenerator<InputChunk> {
  let seen = 0;
  for (let chunk = first; chunk <= last && seen < total; chunk += 1) {
    const text = (await readObject(storage, chunkKey(id, chunk), MAX_CHUNK)).toString('utf8');
    const lines = chunkLines(text);
    seen += lines.length;
    yield { chunk, lines };
  }
}

/**
 * Makes the job that runs lines of a chunk at the gateway.
 * @param wanted numbers of lines
 * @param suffix tells jobs of the same chunk apart
 * @returns undefined for no lines
 */
export function localJob(
  { id, tenant }: Pick<BatchRow, 'id' | 'tenant'>,
  { chunk, lines }: InputChunk,
  wanted: ReadonlySet<number>,
  suffix = '',
): NewJob | undefined {
  const numbers = lines.flatMap(({ number }) => (wanted.has(number) ? [number] : []));
  const [from, to] = [lines[0]?.number, lines.at(-1)?.number];
  if (numbers.length === 0 || from === undefined || to === undefined) return undefined;
  return {
    ...{ id: `${id}:lines:${chunk}${suffix}`, kind: LINES, tenant },
    payload: JSON.stringify({
      ...{ batch: id, chunk, from, to },
      ...(numbers.length === lines.length ? {} : { lines: numbers }),
    }),
  };
}
