import { asString, isRecord, parseJsonText } from '../../core/json.ts';
import { editMembers, memberText } from '../../core/json-edit.ts';
import type { UpstreamRequest } from '../../core/transport.ts';
import type { Usage } from '../../core/usage.ts';
import { BatchClient, idIn, optionalId } from '../batch-client.ts';
import type {
  BatchSubmission,
  BatchUpstream,
  FoundSubmission,
  LostSubmission,
  UpstreamBatchState,
  UpstreamLineResult,
} from '../batch-upstream.ts';
import { readResponsesUsage } from '../openai-responses/usage.ts';
import type { Provider } from '../types.ts';
import { readUsage } from './usage.ts';

type Json = Readonly<Record<string, unknown>>;

/** Where batch APIs whose input and results are files differ. */
export interface FileBatchApi {
  /** Paths of operations that lines may have. */
  readonly operations: ReadonlySet<string>;
  /** Path of batches, below the base URL. */
  readonly path: string;
  /** The line of a request, without its line break. */
  line(id: string, endpoint: string, body: string): string;
  /** The body that creates a batch of an uploaded file. */
  creation(file: string, submission: BatchSubmission): Json;
  /** The query of a page of the list, newest first. @param last the id of the last batch of the page before */
  listQuery(page: number, last: string | undefined): string;
  state(batch: Json): UpstreamBatchState;
  /** The files of results. */
  outputs(batch: Json): readonly (string | undefined)[];
  inputs(batch: Json): readonly (string | undefined)[];
}

const LIST_PAGES = 50;
const PAGE = 100;
/** The clock of a provider may differ from ours. */
const CLOCK_SKEW_S = 300;
/** Errors of lines that did not run. */
const NOT_RUN = new Set(['batch_expired', 'batch_cancelled']);
const CHAT_OPERATIONS = ['/chat/completions', '/embeddings', '/moderations'];

/**
 * OpenAI's Batch API.
 * Source: https://platform.openai.com/docs/api-reference/batch
 */
export const OPENAI_BATCHES: FileBatchApi = {
  operations: new Set([...CHAT_OPERATIONS, '/completions', '/responses']),
  path: '/batches',
  line: (id, endpoint, body) =>
    `{"custom_id":${JSON.stringify(id)},"method":"POST","url":${JSON.stringify(endpoint)},"body":${body}}`,
  creation: (file, { endpoint, token }) => ({
    ...{ input_file_id: file, endpoint, completion_window: '24h', metadata: { weir: token } },
  }),
  listQuery: (_, last) => `limit=${PAGE}${last === undefined ? '' : `&after=${encodeURIComponent(last)}`}`,
  state({ status, errors }) {
    if (status === 'completed') return { kind: 'ended', isPartial: false };
    if (status === 'expired' || status === 'cancelled') return { kind: 'ended', isPartial: true };
    if (status !== 'failed') return { kind: 'running' };
    const [first] = isRecord(errors) && Array.isArray(errors.data) ? errors.data : [];
    return { kind: 'rejected', reason: (isRecord(first) && asString(first.message)) || 'the batch failed' };
  },
  outputs: ({ output_file_id: output, error_file_id: error }) => [optionalId(output), optionalId(error)],
  inputs: ({ input_file_id: input }) => [optionalId(input)],
};

/**
 * Mistral's batch jobs.
 * Source: https://docs.mistral.ai/api/endpoint/batch
 */
export const MISTRAL_BATCHES: FileBatchApi = {
  operations: new Set(CHAT_OPERATIONS),
  path: '/batch/jobs',
  // The model is a member of the job.
  line: (id, _, body) => `{"custom_id":${JSON.stringify(id)},"body":${editMembers(body, { model: null })}}`,
  creation: (file, { endpoint, token, model }) => ({
    ...{ input_files: [file], model, endpoint, metadata: { weir: token }, timeout_hours: 24 },
  }),
  listQuery: (page) => `page=${page}&page_size=${PAGE}`,
  state({ status, output_file: output, errors }) {
    if (status === 'SUCCESS') return { kind: 'ended', isPartial: false };
    if (status === 'TIMEOUT_EXCEEDED' || status === 'CANCELLED') return { kind: 'ended', isPartial: true };
    if (status !== 'FAILED') return { kind: 'running' };
    if (optionalId(output) !== undefined) return { kind: 'ended', isPartial: false };
    const [first] = Array.isArray(errors) ? errors : [];
    return { kind: 'rejected', reason: (isRecord(first) && asString(first.message)) || 'the job failed' };
  },
  outputs: ({ output_file: output, error_file: error }) => [optionalId(output), optionalId(error)],
  inputs: ({ input_files: inputs }) => (Array.isArray(inputs) ? inputs.map(optionalId) : []),
};

/** @returns the batch API of a provider whose input and results are files */
export function fileBatches(api: FileBatchApi, provider: Provider): BatchUpstream {
  return new FileBatches(api, new BatchClient(provider));
}

class FileBatches implements BatchUpstream {
  readonly #base: string;

  constructor(
    private readonly api: FileBatchApi,
    private readonly client: BatchClient,
  ) {
    this.#base = client.provider.baseUrl;
  }

  endpointOf(request: UpstreamRequest): string | undefined {
    if (!request.url.startsWith(this.#base) || !this.client.hasUsualHeaders(request)) return undefined;
    const operation = request.url.slice(this.#base.length);
    return this.api.operations.has(operation) ? `/v1${operation}` : undefined;
  }

  async submit(submission: BatchSubmission, beforeCall?: () => void): Promise<string> {
    const { api, client } = this;
    const boundary = `weir-${submission.token}`;
    const head = (name: string, more: string) =>
      `--${boundary}\r\ncontent-disposition: form-data; name="${name}"${more}\r\n\r\n`;
    const lines = submission.lines.map(({ id, body }) => {
      // Line breaks between the tokens of a body; those within texts are escaped.
      return `${api.line(id, submission.endpoint, body.replaceAll(/[\r\n]/g, ' '))}\n`;
    });
    const named = `; filename="${submission.token}.jsonl"\r\ncontent-type: application/jsonl`;
    const parts = [
      `${head('purpose', '')}batch\r\n`,
      head('file', named),
      ...lines,
      `\r\n--${boundary}--\r\n`,
    ];
    beforeCall?.();
    const file = await client.json({
      ...{ method: 'POST', url: `${this.#base}/files`, body: Buffer.from(parts.join('')) },
      headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    });
    const id = optionalId(file.id);
    if (id === undefined) throw client.invalid('responded to an upload without an id');
    const body = JSON.stringify(api.creation(id, submission));
    beforeCall?.();
    return client.create({ method: 'POST', url: this.#base + api.path, body });
  }

  async find({ token, since }: LostSubmission): Promise<FoundSubmission> {
    let last: string | undefined;
    for (let page = 0; page < LIST_PAGES; page += 1) {
      const query = this.api.listQuery(page, last);
      const url = `${this.#base}${this.api.path}?${query}`;
      const { data, has_more: hasMore } = await this.client.json({ method: 'GET', url });
      const batches = Array.isArray(data) ? data.filter(isRecord) : [];
      for (const batch of batches) {
        if (isRecord(batch.metadata) && batch.metadata.weir === token)
          return { kind: 'found', id: idIn(batch) };
      }
      const oldest = batches.at(-1);
      last = oldest && optionalId(oldest.id);
      const isOlder = Number(oldest?.created_at) < since / 1_000 - CLOCK_SKEW_S;
      const isLast = hasMore !== true && batches.length < PAGE;
      if (last === undefined || isOlder || isLast) return { kind: 'none' };
    }
    return { kind: 'unknown' };
  }

  async state(id: string): Promise<UpstreamBatchState> {
    return this.api.state(await this.#get(id));
  }

  async *results(id: string, signal: AbortSignal): AsyncGenerator<UpstreamLineResult> {
    for (const file of this.api.outputs(await this.#get(id))) {
      if (file === undefined) continue;
      const lines = this.client.jsonLines({ method: 'GET', url: this.#file(file, '/content') }, signal);
      for await (const { text, json } of lines) {
        const result = readResult(text, json);
        if (result) yield result;
      }
    }
  }

  usageOf(endpoint: string, body: string): Usage | undefined {
    const parsed = parseJsonText(body);
    if (!isRecord(parsed)) return undefined;
    return endpoint.endsWith('/responses') ? readResponsesUsage(parsed.usage) : readUsage(parsed.usage);
  }

  async cancel(id: string): Promise<void> {
    await this.client.attempt({ method: 'POST', url: `${this.#batch(id)}/cancel` });
  }

  async discard(id: string): Promise<void> {
    const batch = await this.#get(id);
    for (const file of [...this.api.inputs(batch), ...this.api.outputs(batch)]) {
      if (file !== undefined) await this.client.attempt({ method: 'DELETE', url: this.#file(file, '') });
    }
  }

  #get(id: string): Promise<Json> {
    return this.client.json({ method: 'GET', url: this.#batch(id) });
  }

  #batch(id: string): string {
    return `${this.#base}${this.api.path}/${encodeURIComponent(id)}`;
  }

  #file(id: string, path: string): string {
    return `${this.#base}/files/${encodeURIComponent(id)}${path}`;
  }
}

function readResult(text: string, { custom_id: id, response, error }: Json): UpstreamLineResult | undefined {
  if (typeof id !== 'string') return undefined;
  if (isRecord(response)) {
    const status = Number(response.status_code);
    if (!Number.isInteger(status) || status < 200 || status > 599 || !isRecord(response.body))
      return undefined;
    // As the provider wrote it: numbers keep their digits.
    const body = memberText(memberText(text, 'response') ?? '{}', 'body') ?? '{}';
    return { id, kind: 'response', status, body };
  }
  if (!isRecord(error)) return undefined;
  if (NOT_RUN.has(String(error.code))) return { id, kind: 'not_run' };
  return { id, kind: 'response', status: 500, body: JSON.stringify({ error }) };
}
