import { GatewayError } from '../core/errors.ts';

/** One part of a body in `multipart/form-data`. Its content must be read before the next part is asked for. */
export interface FormPart {
  readonly name: string;
  /** Undefined for a field that is no file. */
  readonly filename: string | undefined;
  readonly content: AsyncIterable<Uint8Array>;
}

/** Bytes of the headers of one part. */
const MAX_HEAD = 8 * 1024;
/** Parts of one body. */
const MAX_PARTS = 100;
const MAX_FIELD = 64 * 1024;
const MAX_BOUNDARY = 70;

/**
 * @param contentType the header of the request
 * @returns the boundary; undefined for a body of another type
 * @see https://www.rfc-editor.org/rfc/rfc7578
 */
export function boundaryOf(contentType: string | null): string | undefined {
  if (contentType === null || !/^multipart\/form-data\s*;/i.test(contentType)) return undefined;
  const match = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(contentType);
  const boundary = match?.[1] ?? match?.[2];
  return boundary !== undefined && boundary.length <= MAX_BOUNDARY ? boundary : undefined;
}

/**
 * Reads a form part by part, as it arrives. Nothing but the headers of a part and the end of a chunk is kept.
 * @throws GatewayError `invalid_request` for a body that is not such a form
 */
export async function* formParts(
  body: AsyncIterable<Uint8Array>,
  boundary: string,
): AsyncGenerator<FormPart> {
  const input = new Input(body);
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  // The first delimiter may have no line break before it.
  input.prepend(Buffer.from('\r\n'));
  for await (const _ of input.until(delimiter));
  for (let count = 0; ; count += 1) {
    const end = await input.take(2);
    if (end.toString('latin1') === '--') return;
    if (end.toString('latin1') !== '\r\n')
      throw malformed('a boundary is followed by something else than a line break');
    if (count === MAX_PARTS) throw malformed(`it has more than ${MAX_PARTS} parts`);
    const head = await input.takeThrough(Buffer.from('\r\n\r\n'), MAX_HEAD);
    const { name, filename } = dispositionOf(head.toString('utf8'));
    const content = input.until(delimiter);
    yield { name, filename, content };
    // What the caller did not read.
    for await (const _ of content);
  }
}

/** @returns the text of a field @throws GatewayError `invalid_request` where it is too long */
export async function textOfPart({ name, content }: FormPart): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of content) {
    length += chunk.length;
    if (length > MAX_FIELD)
      throw malformed(`the field "${name.slice(0, 100)}" is longer than ${MAX_FIELD} bytes`);
    chunks.push(Uint8Array.from(chunk));
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The bytes of a body, with those that were read and not used. */
class Input {
  readonly #source: AsyncIterator<Uint8Array>;
  #bytes: Buffer = Buffer.alloc(0);
  #isOver = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  prepend(bytes: Buffer): void {
    this.#bytes = Buffer.concat([bytes, this.#bytes]);
  }

  async take(length: number): Promise<Buffer> {
    while (this.#bytes.length < length) await this.#read();
    const taken = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return taken;
  }

  /** @returns the bytes before `end`, which is taken, too */
  async takeThrough(end: Buffer, limit: number): Promise<Buffer> {
    for (;;) {
      const at = this.#bytes.indexOf(end);
      if (at > limit || (at < 0 && this.#bytes.length > limit + end.length)) {
        throw malformed(`the headers of a part are longer than ${limit} bytes`);
      }
      if (at >= 0) {
        const taken = this.#bytes.subarray(0, at);
        this.#bytes = this.#bytes.subarray(at + end.length);
        return taken;
      }
      await this.#read();
    }
  }

  /** Yields the bytes before `end`, and takes it. Once it is over, it yields nothing more. */
  async *until(end: Buffer): AsyncGenerator<Uint8Array> {
    for (;;) {
      const at = this.#bytes.indexOf(end);
      if (at >= 0) {
        const last = this.#bytes.subarray(0, at);
        this.#bytes = this.#bytes.subarray(at + end.length);
        if (last.length > 0) yield last;
        return;
      }
      // The end may begin in what is there.
      const sure = this.#bytes.length - end.length + 1;
      if (sure > 0) {
        const some = this.#bytes.subarray(0, sure);
        this.#bytes = this.#bytes.subarray(sure);
        yield some;
      }
      await this.#read();
    }
  }

  async #read(): Promise<void> {
    const { done, value } = this.#isOver ? { done: true, value: undefined } : await this.#source.next();
    if (done || value === undefined) {
      this.#isOver = true;
      throw malformed('it ends before its last boundary');
    }
    this.#bytes = this.#bytes.length === 0 ? Buffer.from(value) : Buffer.concat([this.#bytes, value]);
  }
}

/** Names are in quotes, where clients write `"` as `%22` or `\"`. */
function dispositionOf(head: string): { name: string; filename: string | undefined } {
  const line = head.split('\r\n').find((one) => /^content-disposition\s*:/i.test(one));
  if (line === undefined || !/^content-disposition\s*:\s*form-data\s*(?:;|$)/i.test(line)) {
    throw malformed('a part has no header "content-disposition: form-data"');
  }
  const name = parameter(line, 'name');
  if (name === undefined) throw malformed('a part has no name');
  return { name, filename: parameter(line, 'filename') };
}

function parameter(line: string, name: string): string | undefined {
  const match = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s;]*))`, 'i').exec(line);
  return match?.[1]?.replace(/\\(.)/g, '$1').replaceAll('%22', '"') ?? match?.[2];
}

function malformed(reason: string): GatewayError {
  return new GatewayError(
    'invalid_request',
    `The request body is not a sound form (multipart/form-data): ${reason}.`,
  );
}
