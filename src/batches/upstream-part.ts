import { isRecord, parseJsonText } from '../core/json.ts';
import { linesOf } from '../core/line-reader.ts';
import type { ObjectStorage } from '../platform/object-storage/object-storage.ts';

/** A line that goes to a provider. */
export interface PartLine {
  /** Of the input file. */
  readonly number: number;
  /** The chunk of the input that has it. */
  readonly chunk: number;
  /** JSON text in the provider's format. */
  readonly body: string;
}

/** Bytes of one part: it is in memory while it is submitted. */
export const MAX_PART_BYTES = 16 * 1024 * 1024;
export const MAX_PART_LINES = 10_000;
/** Bytes of one line: a longer one runs at the gateway. */
export const MAX_UPSTREAM_LINE = 8 * 1024 * 1024;

/** @returns the text of a line of a part */
export function partText({ number, chunk, body }: PartLine): string {
  // Line breaks between the tokens of a body; those within texts are escaped.
  return `${JSON.stringify({ number, chunk })}\t${body.replaceAll(/[\r\n]/g, ' ')}\n`;
}

/** Reads the lines of a part. @throws Error for an object that is damaged */
export async function* partLines(storage: ObjectStorage, object: string): AsyncGenerator<PartLine> {
  for await (const { text = '' } of linesOf(storage.get(object), 2 * MAX_UPSTREAM_LINE)) {
    const at = text.indexOf('\t');
    const head = parseJsonText(text.slice(0, at));
    if (at < 0 || !isRecord(head)) throw new Error(`the object "${object}" is damaged`);
    yield { number: Number(head.number), chunk: Number(head.chunk), body: text.slice(at + 1) };
  }
}

/** @returns the id of a line at the provider @param token of its submission */
export function upstreamLineId(token: string, number: number): string {
  return `${token}-${number}`;
}

/** @returns the number of a line; undefined for the id of another submission */
export function lineNumberOf(token: string, id: string): number | undefined {
  if (!id.startsWith(`${token}-`)) return undefined;
  const digits = id.slice(token.length + 1);
  return /^\d{1,9}$/.test(digits) ? Number(digits) : undefined;
}
