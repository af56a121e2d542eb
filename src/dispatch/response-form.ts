import { concatBytes, decodeLossyUtf8 } from '../core/bytes.ts';
import { parseBlock } from '../core/sse.ts';

/** Recognises the form of a response body by its first bytes: upstreams and proxies send wrong content types, or none. */

/** A body in one of these forms is recognised by as many bytes. */
const ENOUGH = 8;
/** White space that may come before a body; some vendors send it while they compute. */
const MAX_BLANK = 4_096;

const OPEN_BRACE = 0x7b;

export type BodyForm = 'events' | 'object' | 'gzip' | 'other';

/**
 * @param bytes the beginning of a body
 * @returns undefined where more bytes are needed
 */
export function formOf(bytes: Uint8Array): BodyForm | undefined {
  if (bytes[0] === 0x1f && (bytes.length < 2 || bytes[1] === 0x8b))
    return bytes.length < 2 ? undefined : 'gzip';
  const text = decodeLossyUtf8(bytes.subarray(0, MAX_BLANK)).trimStart();
  if (text.startsWith('{')) return 'object';
  if (/^(?::|(?:data|event|id|retry):)/.test(text)) return 'events';
  return text.length < ENOUGH && bytes.length < MAX_BLANK ? undefined : 'other';
}

/** Whether a body that should be an event stream begins as a JSON object. Cheap: every stream is asked. */
export function startsAsObject(bytes: Uint8Array): boolean {
  return bytes[0] === OPEN_BRACE;
}

/**
 * Whether a body of this form is a stream of the provider.
 * @param streamMediaType of the provider's streams; undefined for server-sent events. Binary streams are not recognised.
 */
export function isStreamForm(form: BodyForm, streamMediaType: string | undefined): boolean {
  if (streamMediaType === undefined) return form === 'events';
  return form === 'object' && streamMediaType.includes('json');
}

/** Holds the beginning of a body until its form is known. */
export class BodyOpening {
  #held: Uint8Array[] = [];

  /** @returns the body so far with its form; undefined while more bytes are needed */
  push(bytes: Uint8Array): { readonly form: BodyForm; readonly bytes: Uint8Array } | undefined {
    this.#held.push(bytes);
    const all = concatBytes(this.#held);
    this.#held = [all];
    const form = formOf(all);
    return form && { form, bytes: all };
  }

  /** @returns a body that ended before its form was known */
  end(): Uint8Array {
    return concatBytes(this.#held);
  }
}

/**
 * Some servers send the error of a stream as an event, with an error status.
 * @returns the data of the first event; other bodies as they are
 */
export function errorBodyOf(body: Uint8Array): Uint8Array {
  if (formOf(body) !== 'events') return body;
  for (const block of decodeLossyUtf8(body).replaceAll('\r\n', '\n').split('\n\n')) {
    const { data } = parseBlock(block);
    if (data?.trim().startsWith('{')) return new TextEncoder().encode(data);
  }
  return body;
}
