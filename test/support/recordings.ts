import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { type Bytes, toBytes, toText } from './bytes.ts';

/**
 * Recorded exchanges with real providers. They are not part of the project: they are read from
 * `../shared/recordings` beside the checkout, or from WEIR_RECORDINGS, and are absent in a user's clone.
 */

export interface RecordedCall {
  readonly provider: string;
  /** Name of the recording; a recording may hold several exchanges. */
  readonly name: string;
  /** 0-based position within the recording. */
  readonly index: number;
  readonly request: {
    readonly method: string;
    /** Without the query. */
    readonly path: string;
    readonly query: Readonly<Record<string, string>>;
    /** By lower-case name. */
    readonly headers: Readonly<Record<string, string>>;
    /** As JSON text; empty when the request had none. */
    readonly body: string;
  };
  readonly response: {
    readonly status: number;
    /** By lower-case name. */
    readonly headers: Readonly<Record<string, string>>;
    readonly body: Uint8Array;
  };
}

export interface RecordingFilter {
  /** Folder names, such as `openai`; all when absent. */
  readonly providers?: readonly string[];
  /** Such as `/chat/completions`. */
  readonly pathEndsWith?: string;
}

const headersSchema = z
  .record(z.string(), z.string())
  .transform((headers) =>
    Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
  );

const recordingSchema = z.object({
  provider: z.string(),
  name: z.string(),
  exchanges: z.array(
    z.object({
      request: z.object({
        method: z.string(),
        path: z.string(),
        query: z.record(z.string(), z.string()).nullish(),
        headers: headersSchema,
        body: z.union([z.string(), z.null(), z.record(z.string(), z.unknown()), z.array(z.unknown())]),
      }),
      response: z.union([
        z.object({ status: z.number(), headers: headersSchema, body: z.string() }),
        z.object({ status: z.number(), headers: headersSchema, bodyBase64: z.string() }),
      ]),
    }),
  ),
});

/**
 * Where the recordings are, or null when there are none.
 * @throws when WEIR_RECORDINGS names a folder that does not exist
 */
export function recordingsFolder(environment: NodeJS.ProcessEnv = process.env): string | null {
  const given = environment.WEIR_RECORDINGS;
  if (given) {
    if (!existsSync(given)) throw new Error(`WEIR_RECORDINGS: no folder ${given}`);
    return given;
  }
  const beside = fileURLToPath(new URL('../../../shared/recordings', import.meta.url));
  return existsSync(beside) ? beside : null;
}

function bodyText(body: string | null | Record<string, unknown> | unknown[]): string {
  if (body === null) return '';
  return typeof body === 'string' ? body : JSON.stringify(body);
}

function readRecording(file: string): RecordedCall[] {
  const parsed = recordingSchema.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  if (!parsed.success) throw new Error(`${file}: not a recording: ${z.prettifyError(parsed.error)}`);
  const { provider, name, exchanges: recordedCalls } = parsed.data;
  return recordedCalls.map(({ request, response }, index) => ({
    provider,
    name,
    index,
    request: { ...request, query: request.query ?? {}, body: bodyText(request.body) },
    response: {
      status: response.status,
      headers: response.headers,
      body:
        'body' in response
          ? toBytes(response.body)
          : new Uint8Array(Buffer.from(response.bodyBase64, 'base64')),
    },
  }));
}

/**
 * The recorded exchanges that the filter lets through, ordered by provider, name and position; empty when the
 * recordings are absent.
 * @throws when a named provider has no folder, or a file is not a recording
 */
export function loadRecordedCalls(
  filter: RecordingFilter = {},
  folder: string | null = recordingsFolder(),
): RecordedCall[] {
  if (folder === null) return [];
  const providers =
    filter.providers ?? readdirSync(folder).filter((entry) => statSync(join(folder, entry)).isDirectory());
  return [...providers].sort().flatMap((provider) => {
    const inside = join(folder, provider);
    if (!existsSync(inside)) throw new Error(`no recordings of a provider called "${provider}"`);
    return readdirSync(inside)
      .filter((entry) => entry.endsWith('.json'))
      .sort()
      .flatMap((entry) => readRecording(join(inside, entry)))
      .filter((recordedCall) => recordedCall.request.path.endsWith(filter.pathEndsWith ?? ''));
  });
}

/** How to name the exchange in a test's title. */
export function recordedCallTitle(recordedCall: RecordedCall): string {
  return `${recordedCall.provider}/${recordedCall.name}#${recordedCall.index}`;
}

export function isEventStream(recordedCall: RecordedCall): boolean {
  return /^text\/event-stream\b/i.test(recordedCall.response.headers['content-type'] ?? '');
}

function asJson(body: Bytes, what: string): unknown {
  try {
    return JSON.parse(typeof body === 'string' ? body : toText(body));
  } catch (cause) {
    throw new Error(`${what} is not JSON`, { cause });
  }
}

/** @throws when the request has no JSON body */
export function requestJson(recordedCall: RecordedCall): unknown {
  return asJson(recordedCall.request.body, `request of ${recordedCallTitle(recordedCall)}`);
}

/** @throws when the response is not JSON, as event streams are not */
export function responseJson(recordedCall: RecordedCall): unknown {
  return asJson(recordedCall.response.body, `response of ${recordedCallTitle(recordedCall)}`);
}
