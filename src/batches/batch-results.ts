import { GatewayError } from '../core/errors.ts';
import { asString, isRecord, parseJsonText } from '../core/json.ts';
import type { Files } from '../files/files.ts';
import { dollarsOfPico } from '../metering/price.ts';
import { ObjectMissingError } from '../platform/object-storage/object-storage.ts';
import { readResults } from '../storage/sql/batch-store.ts';
import type { BatchResultRow } from '../storage/sql/batch-tables.ts';
import type { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import { type Batch, hasEnded } from './batch.ts';

export const RESULT_OUTCOMES = ['completed', 'failed'] as const;
export type ResultOutcome = (typeof RESULT_OUTCOMES)[number];

/** The result of one line. */
export interface LineResult {
  /** Null where the file of results does not say it. */
  readonly line: number | null;
  readonly customId: string;
  readonly requestId: string | null;
  /** HTTP status; null for a line that did not run, and where the form has none. */
  readonly status: number | null;
  /** Code of the error; null without one. */
  readonly error: string | null;
  /** US dollars; null where it is unknown. */
  readonly cost: string | null;
  /** The response, as JSON; null without one. */
  readonly body: unknown;
}

/** Where a page begins: after a line while the batch runs, then at a byte of one of its files. */
export type ResultPlace =
  | { readonly line: number }
  | { readonly file: 'output' | 'error'; readonly at: number };

export interface ResultPage {
  readonly results: readonly LineResult[];
  readonly next: ResultPlace | undefined;
}

export interface ResultQuery {
  readonly outcome: ResultOutcome | undefined;
  readonly after: ResultPlace | undefined;
  readonly limit: number;
}

const LINE_FEED = 10;
/** Bytes of results that one page reads, about; at least one result. */
const MAX_READ = 8 * 1024 * 1024;
/** Rows that are read at once. */
const ROWS = 100;

/** Reads the results of batches page by page: from the tenant's database while they run, then from their files. */
export class BatchResults {
  constructor(
    private readonly databases: Pick<TenantDatabases, 'use'>,
    private readonly files: Pick<Files, 'open'>,
  ) {}

  /**
   * Reads a page. A page can have fewer results than `limit`, also when others follow.
   * @throws GatewayError `invalid_request` for a place of another state of the batch, `not_found` for a lost file
   */
  async page(batch: Batch, query: ResultQuery): Promise<ResultPage> {
    const { after } = query;
    if (!hasEnded(batch)) {
      if (after && 'file' in after) throw moved();
      return this.#stored(batch, query, after?.line ?? 0);
    }
    if (after && 'line' in after) throw moved();
    return this.#written(batch, query, after);
  }

  async #stored({ id, tenant }: Batch, { outcome, limit }: ResultQuery, line: number): Promise<ResultPage> {
    const results: LineResult[] = [];
    let [last, characters] = [line, 0];
    while (characters < MAX_READ) {
      const rows = await this.databases.use({ tenant }, (db) => readResults(db, id, last, ROWS));
      for (const row of rows) {
        if (results.length === limit) return { results, next: { line: last } };
        last = row.line;
        characters += row.body.length;
        const isCompleted = row.status === 200;
        if (outcome === undefined || isCompleted === (outcome === 'completed')) results.push(resultOf(row));
      }
      if (rows.length < ROWS) return { results, next: undefined };
    }
    return { results, next: { line: last } };
  }

  async #written(
    batch: Batch,
    { outcome, limit }: ResultQuery,
    after: Exclude<ResultPlace, { line: number }> | undefined,
  ): Promise<ResultPage> {
    const results: LineResult[] = [];
    let bytes = 0;
    for (const file of filesOf(batch, outcome)) {
      if (after?.file === 'error' && file === 'output') continue;
      const id = file === 'output' ? batch.outputFile : batch.errorFile;
      if (id === null) continue;
      const begin = after?.file === file ? after.at : 0;
      for await (const { text, at, end } of linesFrom(await this.#open(id), begin)) {
        if (results.length === limit || bytes >= MAX_READ) return { results, next: { file, at } };
        bytes += end - at;
        const result = text.trim() === '' ? undefined : writtenResult(batch, text);
        if (result && (outcome === undefined || isOf(result, outcome))) results.push(result);
      }
    }
    return { results, next: undefined };
  }

  async #open(id: string): Promise<AsyncIterable<Uint8Array>> {
    try {
      return await this.files.open({ id });
    } catch (error) {
      if (!(error instanceof ObjectMissingError)) throw error;
      throw new GatewayError('not_found', `The file "${id}" was deleted, or has expired.`, { cause: error });
    }
  }
}

/** The results of Anthropic's form are in one file. */
function filesOf({ form }: Batch, outcome: ResultOutcome | undefined): readonly ('output' | 'error')[] {
  if (form === 'messages' || outcome === 'completed') return ['output'];
  return outcome === 'failed' ? ['error'] : ['output', 'error'];
}

const isOf = ({ status, error }: LineResult, outcome: ResultOutcome): boolean =>
  (status === 200 && error === null) === (outcome === 'completed');

/** Reads lines from a byte on, which is the first one of a line. The bytes before it are skipped unread. */
async function* linesFrom(
  content: AsyncIterable<Uint8Array>,
  begin: number,
): AsyncGenerator<{ readonly text: string; readonly at: number; readonly end: number }> {
  let position = 0;
  let at = begin;
  let parts: Uint8Array[] = [];
  for await (const bytes of content) {
    let from = Math.max(0, begin - position);
    while (from < bytes.length) {
      const found = bytes.indexOf(LINE_FEED, from);
      // A copy: storages may use their memory again.
      parts.push(Uint8Array.from(bytes.subarray(from, found < 0 ? bytes.length : found)));
      if (found < 0) break;
      const end = position + found + 1;
      yield { text: Buffer.concat(parts).toString('utf8'), at, end };
      parts = [];
      at = end;
      from = found + 1;
    }
    position += bytes.length;
  }
  if (parts.length > 0) yield { text: Buffer.concat(parts).toString('utf8'), at, end: position };
}

function resultOf({
  line,
  custom_id,
  request_id,
  status,
  error,
  body,
  cost_pico,
}: BatchResultRow): LineResult {
  const value = parseJsonText(body);
  return {
    ...{ line, customId: custom_id, requestId: request_id, body: value ?? null },
    status: status === 0 ? null : status,
    error: error !== '' ? `batch_${error}` : status === 200 ? null : (codeOf(value) ?? `http_${status}`),
    cost: cost_pico === null ? null : dollarsOfPico(cost_pico),
  };
}

/** @returns undefined for a line that is no result */
function writtenResult(batch: Batch, text: string): LineResult | undefined {
  const value = parseJsonText(text);
  if (!isRecord(value)) return undefined;
  const customId = asString(value.custom_id) ?? '';
  if (isRecord(value.result)) return messageResult(customId, value.result);
  const response = isRecord(value.response) ? value.response : undefined;
  const status = typeof response?.status_code === 'number' ? response.status_code : null;
  const requestId = asString(response?.request_id) ?? null;
  const body = response?.body ?? null;
  const failed = status === 200 ? null : (codeOf(body) ?? (status === null ? null : `http_${status}`));
  return {
    ...{ customId, requestId, status, body, cost: asString(response?.cost_usd) ?? null },
    line: lineOf(batch.id, requestId),
    error: isRecord(value.error) ? (asString(value.error.code) ?? 'error') : failed,
  };
}

function messageResult(customId: string, result: Readonly<Record<string, unknown>>): LineResult {
  const { type, message, error } = result;
  const base = { line: null, customId, requestId: null, cost: null };
  if (type === 'succeeded') return { ...base, status: 200, error: null, body: message ?? null };
  if (type === 'errored') {
    return { ...base, status: null, error: codeOf(error) ?? 'errored', body: error ?? null };
  }
  return { ...base, status: null, error: asString(type) ?? 'error', body: null };
}

/** @returns the code of an error in the form of a dialect */
function codeOf(body: unknown): string | undefined {
  const error = isRecord(body) && isRecord(body.error) ? body.error : undefined;
  return asString(error?.code) ?? asString(error?.type);
}

/** Weir's ids of requests end with the line. */
function lineOf(batch: string, requestId: string | null): number | null {
  const number = requestId?.startsWith(`${batch}-`) ? Number(requestId.slice(batch.length + 1)) : Number.NaN;
  return Number.isInteger(number) ? number : null;
}

function moved(): GatewayError {
  return new GatewayError(
    'invalid_request',
    'The state of the batch has changed since the page before. Begin with the first page.',
    { param: 'after' },
  );
}
