import { GatewayError } from '../core/errors.ts';
import { isRecord } from '../core/json.ts';
import { memberText } from '../core/json-edit.ts';
import { assertJsonLimits } from '../core/json-limits.ts';
import type { FileLine } from '../core/line-reader.ts';

/** One request of a batch. */
export interface BatchLine {
  /** Of the input file, from 1. */
  readonly number: number;
  readonly customId: string;
  /** Path of the endpoint. */
  readonly url: string;
  /** JSON text, as the client wrote it. */
  readonly body: string;
}

/** Why a line is not valid, in OpenAI's form. */
export interface LineError {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
  /** Null for an error of the whole file. */
  readonly line: number | null;
}

/** Endpoints that lines may name. */
export const BATCH_ENDPOINTS = [
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/embeddings',
  '/v1/responses',
  '/v1/moderations',
] as const;

export const MAX_CUSTOM_ID = 512;

/** Thrown for a line that is not valid. */
class InvalidLine extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly param: string | null = null,
  ) {
    super(message);
  }
}

/** Checks lines of a file in OpenAI's form. Remembers the ids of all lines, because they must differ. */
export class LineChecker {
  readonly #ids = new Map<string, number>();
  readonly models = new Set<string>();

  /** @param endpoint that all lines must name */
  constructor(private readonly endpoint: string) {}

  /** @returns the request, or why there is none */
  check({ number, text }: FileLine): BatchLine | LineError {
    try {
      return this.#read(number, text);
    } catch (error) {
      if (!(error instanceof InvalidLine)) throw error;
      return { code: error.code, message: error.message, param: error.param, line: number };
    }
  }

  #read(number: number, text: string | undefined): BatchLine {
    if (text === undefined) {
      throw new InvalidLine('invalid_json_line', 'This line is too long, or not valid UTF-8.');
    }
    const line = parsed(text);
    const { custom_id: customId, method, url, body } = line;
    if (typeof customId !== 'string' || customId === '') {
      throw new InvalidLine(
        'missing_required_parameter',
        "Missing required parameter: 'custom_id'.",
        'custom_id',
      );
    }
    if (customId.length > MAX_CUSTOM_ID) {
      throw new InvalidLine(
        'invalid_custom_id',
        `The custom_id is longer than ${MAX_CUSTOM_ID} characters.`,
        'custom_id',
      );
    }
    // PostgreSQL stores no NUL: the result could not be stored, and the line would run, and cost, again and again.
    if (customId.includes('\0')) {
      throw new InvalidLine('invalid_custom_id', 'The custom_id contains U+0000.', 'custom_id');
    }
    if (method !== 'POST') {
      throw new InvalidLine('invalid_method', "Invalid value for 'method': expected 'POST'.", 'method');
    }
    if (url !== this.endpoint) {
      throw new InvalidLine(
        typeof url === 'string' ? 'mismatched_url' : 'missing_required_parameter',
        typeof url === 'string'
          ? `The URL provided for this request does not match the batch endpoint '${this.endpoint}'.`
          : "Missing required parameter: 'url'.",
        'url',
      );
    }
    const model = modelOf(body);
    const first = this.#ids.get(customId);
    if (first !== undefined) {
      throw new InvalidLine(
        'duplicate_custom_id',
        `The custom_id '${customId.slice(0, 100)}' for this request is a duplicate of line ${first}. The custom_id parameter must be unique for each request in a batch.`,
        'custom_id',
      );
    }
    this.#ids.set(customId, number);
    this.models.add(model);
    return { number, customId, url: this.endpoint, body: (memberText(text, 'body') ?? '{}').trim() };
  }
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  let line: unknown;
  try {
    assertJsonLimits(text);
    line = JSON.parse(text);
  } catch (error) {
    if (error instanceof GatewayError) throw new InvalidLine('invalid_json_line', error.message);
    throw new InvalidLine('invalid_json_line', 'This line is not parseable as valid JSON.');
  }
  if (!isRecord(line)) throw new InvalidLine('invalid_json_line', 'This line is not a JSON object.');
  return line;
}

function modelOf(body: unknown): string {
  if (!isRecord(body)) {
    throw new InvalidLine('missing_required_parameter', "Missing required parameter: 'body'.", 'body');
  }
  const { model, stream } = body;
  if (typeof model !== 'string' || model === '') {
    throw new InvalidLine(
      'missing_required_parameter',
      "Missing required parameter: 'body.model'.",
      'body.model',
    );
  }
  if (stream === true) {
    throw new InvalidLine('invalid_request', 'Requests of a batch cannot stream.', 'body.stream');
  }
  return model;
}

/** @returns the lines as one text, which `chunkLines` reads */
export function chunkText(lines: readonly BatchLine[]): string {
  return lines
    .map(({ number, customId, url, body }) => {
      // Line breaks between the tokens of a body; those within texts are escaped.
      const oneLine = body.replaceAll(/[\r\n]/g, ' ');
      return `${number}\t${JSON.stringify(customId)}\t${url}\t${oneLine}\n`;
    })
    .join('');
}

/** @returns the lines of a text that `chunkText` made */
export function chunkLines(text: string): BatchLine[] {
  return text.split('\n').flatMap((line) => {
    if (line === '') return [];
    const [number = '', customId = '""', url = ''] = line.split('\t', 3);
    const body = line.slice(number.length + customId.length + url.length + 3);
    return [{ number: Number(number), customId: String(JSON.parse(customId)), url, body }];
  });
}
