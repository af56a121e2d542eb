import { isRecord } from '../../src/core/json.ts';
import type { RecordedRequest } from './recorded-request.ts';
import { json, type Script, status } from './scripts.ts';

type Json = Record<string, unknown>;

export const BATCH_WIRES = ['openai', 'mistral', 'anthropic'] as const;
export type BatchWire = (typeof BATCH_WIRES)[number];

/** A line as the provider has received it. */
export interface ReceivedLine {
  readonly id: string;
  readonly body: Json;
}

/** A batch at the mock. */
export interface MockBatch {
  readonly id: string;
  readonly token: string | undefined;
  readonly lines: readonly ReceivedLine[];
  readonly createdAt: number;
  state: 'running' | 'completed' | 'expired' | 'cancelled' | 'failed';
  /** Lines of the results, as the provider writes them; made from `respond` when absent. */
  results?: readonly string[];
  discarded: boolean;
}

/** What a line's result is. */
export type LineResponder = (
  line: ReceivedLine,
) => { readonly status: number; readonly body: Json } | 'not_run';

export interface MockBatchApiOptions {
  readonly wire: BatchWire;
  /** The base URL's path, such as `/v1`. */
  readonly base?: string;
  /** Batches complete when they are first asked for. */
  readonly completesAtOnce?: boolean;
  /** Milliseconds. */
  readonly now?: () => number;
}

/** The batch APIs of vendors in their wire formats: respond with `handle` from a mock upstream. */
export class MockBatchApi {
  readonly batches: MockBatch[] = [];
  readonly #files = new Map<string, string>();
  #count = 0;
  respond: LineResponder = ({ body }) => ({ status: 200, body: this.#message(body) });
  /** Called with each request of the API before it is handled; what it returns is the response. */
  intercept: (request: RecordedRequest) => Script | undefined = () => undefined;
  /** Accepts the next batches, and responds with this. */
  afterCreate: Script | undefined;

  constructor(private readonly options: MockBatchApiOptions) {}

  get #batchPath(): string {
    const { wire, base = '/v1' } = this.options;
    return base + { openai: '/batches', mistral: '/batch/jobs', anthropic: '/messages/batches' }[wire];
  }

  /** @returns undefined for a request of another API */
  handle(request: RecordedRequest): Script | undefined {
    const { method, path } = request;
    const filePath = `${this.options.base ?? '/v1'}/files`;
    if (!path.startsWith(this.#batchPath) && !path.startsWith(filePath)) return undefined;
    const intercepted = this.intercept(request);
    if (intercepted) return intercepted;
    if (path === filePath && method === 'POST') return this.#upload(request);
    if (path.startsWith(`${filePath}/`)) return this.#file(method, path.slice(filePath.length + 1));
    if (path === this.#batchPath) return method === 'POST' ? this.#create(request) : this.#list();
    return this.#batch(method, path.slice(this.#batchPath.length + 1));
  }

  #upload(request: RecordedRequest): Script {
    const boundary = /boundary=(\S+)/.exec(request.headers.get('content-type') ?? '')?.[1];
    const parts = request.text().split(`--${boundary}`);
    const part = (name: string) => parts.find((text) => text.includes(`name="${name}"`));
    if (!boundary || part('purpose')?.split('\r\n\r\n')[1]?.trim() !== 'batch') {
      return status(400, { error: { message: 'no purpose' } });
    }
    const content = part('file')?.split('\r\n\r\n').slice(1).join('\r\n\r\n').replace(/\r\n$/, '') ?? '';
    return json({ id: this.#store(content), object: 'file', purpose: 'batch' });
  }

  #store(content: string): string {
    this.#count += 1;
    const id = `file-${this.#count}`;
    this.#files.set(id, content);
    return id;
  }

  /** Number of files that are stored. */
  get files(): number {
    return this.#files.size;
  }

  #file(method: string, rest: string): Script {
    const [id = '', what] = rest.split('/');
    const content = this.#files.get(id);
    if (content === undefined) return status(404, { error: { message: `no file ${id}` } });
    if (method === 'DELETE') {
      this.#files.delete(id);
      return json({ id, deleted: true });
    }
    if (what !== 'content') return json({ id });
    return { headers: { 'content-type': 'application/octet-stream' }, body: content };
  }

  #create(request: RecordedRequest): Script {
    const body = request.json();
    if (!isRecord(body)) return status(400, { error: { message: 'no object' } });
    const lines = this.options.wire === 'anthropic' ? messageLines(body) : this.#fileLines(body);
    if (lines === undefined) return status(400, { error: { message: 'the input is not valid' } });
    this.#count += 1;
    const batch: MockBatch = {
      id: `batch-${this.#count}`,
      token: isRecord(body.metadata) ? String(body.metadata.weir) : undefined,
      lines,
      createdAt: this.options.now?.() ?? Date.now(),
      state: 'running',
      discarded: false,
    };
    this.#inputs.set(
      batch,
      [body.input_file_id, body.input_files].flat().filter((id) => typeof id === 'string'),
    );
    this.batches.unshift(batch);
    const after = this.afterCreate;
    return after ?? json(this.#shown(batch));
  }

  readonly #inputs = new Map<MockBatch, readonly string[]>();
  readonly #outputs = new Map<MockBatch, { output: string | null; error: string | null }>();

  #fileLines(body: Json): readonly ReceivedLine[] | undefined {
    const { wire } = this.options;
    const file =
      wire === 'openai' ? body.input_file_id : Array.isArray(body.input_files) && body.input_files[0];
    const text = this.#files.get(String(file));
    if (text === undefined) return undefined;
    if (wire === 'mistral' && typeof body.model !== 'string') return undefined;
    if (wire === 'openai' && body.completion_window !== '24h') return undefined;
    const lines = text.split('\n').filter((line) => line !== '');
    return lines.map((line) => {
      const { custom_id: id, body: given, url, method }: Json = JSON.parse(line);
      if (wire === 'openai' && (method !== 'POST' || url !== body.endpoint))
        throw new Error(`bad line: ${line}`);
      if (wire === 'mistral' && isRecord(given) && given.model !== undefined)
        throw new Error('a model in a line');
      return { id: String(id), body: isRecord(given) ? given : {} };
    });
  }

  #list(): Script {
    return json({ data: this.batches.map((batch) => this.#shown(batch)), has_more: false });
  }

  #batch(method: string, rest: string): Script {
    const [id, action] = rest.split('/');
    const batch = this.batches.find((one) => one.id === id);
    if (!batch) return status(404, { error: { message: `no batch ${id}` } });
    if (method === 'DELETE') {
      batch.discarded = true;
      return json({ id, type: 'message_batch_deleted' });
    }
    if (action === 'cancel') {
      if (batch.state !== 'running') return status(409, { error: { message: 'it has ended' } });
      batch.state = 'cancelled';
    } else if (action === 'results') {
      return {
        headers: { 'content-type': 'application/x-jsonl' },
        body: this.#resultLines(batch).join('\n'),
      };
    }
    if (this.options.completesAtOnce && batch.state === 'running') batch.state = 'completed';
    return json(this.#shown(batch));
  }

  #resultLines(batch: MockBatch): readonly string[] {
    return (
      batch.results ?? batch.lines.toReversed().map((line) => this.resultLine(line.id, this.respond(line)))
    );
  }

  /** @returns a line of a result file */
  resultLine(id: string, result: ReturnType<LineResponder>): string {
    if (this.options.wire === 'anthropic') {
      if (result === 'not_run') return JSON.stringify({ custom_id: id, result: { type: 'expired' } });
      const { status: code, body } = result;
      const shown = code === 200 ? { type: 'succeeded', message: body } : { type: 'errored', error: body };
      return JSON.stringify({ custom_id: id, result: shown });
    }
    if (result === 'not_run') {
      return JSON.stringify({
        id: `r-${id}`,
        custom_id: id,
        response: null,
        error: { code: 'batch_expired' },
      });
    }
    const response = { status_code: result.status, request_id: 'r', body: result.body };
    return JSON.stringify({ id: `r-${id}`, custom_id: id, response, error: null });
  }

  #shown(batch: MockBatch): Json {
    const { wire } = this.options;
    const seconds = Math.floor(batch.createdAt / 1_000);
    if (wire === 'anthropic') {
      return {
        ...{ id: batch.id, type: 'message_batch', created_at: new Date(batch.createdAt).toISOString() },
        processing_status: batch.state === 'running' ? 'in_progress' : 'ended',
        request_counts: { processing: batch.lines.length, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
        // Never followed.
        results_url: 'http://169.254.169.254/results',
      };
    }
    const ended = batch.state !== 'running' && batch.state !== 'failed';
    if (ended && !this.#outputs.has(batch)) this.#outputs.set(batch, this.#writeOutputs(batch));
    const { output = null, error = null } = this.#outputs.get(batch) ?? {};
    const files = this.#inputs.get(batch) ?? [];
    const metadata = { weir: batch.token };
    if (wire === 'mistral') {
      const states = {
        running: 'RUNNING',
        completed: 'SUCCESS',
        expired: 'TIMEOUT_EXCEEDED',
        cancelled: 'CANCELLED',
      };
      return {
        ...{ id: batch.id, object: 'batch', created_at: seconds, metadata, input_files: files },
        status: batch.state === 'failed' ? 'FAILED' : states[batch.state],
        ...{ output_file: output, error_file: error, errors: [{ message: 'the job failed' }] },
      };
    }
    return {
      ...{ id: batch.id, object: 'batch', created_at: seconds, metadata, input_file_id: files[0] },
      status: batch.state === 'running' ? 'in_progress' : batch.state,
      ...{ output_file_id: output, error_file_id: error },
      errors: batch.state === 'failed' ? { data: [{ message: 'the batch failed' }] } : null,
    };
  }

  #writeOutputs(batch: MockBatch): { output: string | null; error: string | null } {
    const lines = this.#resultLines(batch);
    const isSuccess = (line: string) => line.includes('"status_code":200') || !line.includes('"custom_id"');
    const file = (wanted: readonly string[]) => (wanted.length === 0 ? null : this.#store(wanted.join('\n')));
    return { output: file(lines.filter(isSuccess)), error: file(lines.filter((line) => !isSuccess(line))) };
  }

  #message(body: Json): Json {
    const text = `Echo of ${JSON.stringify(body.messages).length} characters.`;
    if (this.options.wire === 'anthropic') {
      return {
        ...{ id: 'msg_1', type: 'message', role: 'assistant', model: body.model, stop_reason: 'end_turn' },
        ...{ content: [{ type: 'text', text }], usage: { input_tokens: 3, output_tokens: 2 } },
      };
    }
    return {
      ...{ id: 'chatcmpl-1', object: 'chat.completion', created: 1_700_000_000, model: 'upstream-chat' },
      choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    };
  }
}

function messageLines({ requests }: Json): readonly ReceivedLine[] | undefined {
  if (!Array.isArray(requests)) return undefined;
  return requests.map(({ custom_id: id, params }: Json) => ({
    id: String(id),
    body: isRecord(params) ? params : {},
  }));
}
