import { asString, isRecord, parseJsonText } from '../../core/json.ts';
import { memberText } from '../../core/json-edit.ts';
import type { UpstreamRequest } from '../../core/transport.ts';
import type { Usage } from '../../core/usage.ts';
import { type BatchCall, BatchClient, optionalId } from '../batch-client.ts';
import type {
  BatchSubmission,
  BatchUpstream,
  FoundSubmission,
  LostSubmission,
  UpstreamBatchState,
  UpstreamLineResult,
} from '../batch-upstream.ts';
import type { Provider } from '../types.ts';
import { apiUrl, betaHeaders, messagesUrl } from './url.ts';
import { readMessageUsage } from './usage.ts';

type Json = Readonly<Record<string, unknown>>;

const LIST_PAGES = 50;
/** The clock of the provider may differ from ours. */
const CLOCK_SKEW_MS = 300_000;
const VERSION_HEADER = 'anthropic-version';

/** Statuses of the errors of lines, by type. Source: https://platform.claude.com/docs/en/api/errors */
const STATUSES: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  timeout_error: 504,
  overloaded_error: 529,
};

/**
 * Anthropic's Message Batches.
 * Source: https://platform.claude.com/docs/en/api/creating-message-batches
 */
export function messageBatches(provider: Provider): BatchUpstream {
  return new MessageBatches(new BatchClient(provider));
}

class MessageBatches implements BatchUpstream {
  constructor(private readonly client: BatchClient) {}

  endpointOf(request: UpstreamRequest): string | undefined {
    const { client } = this;
    const isMessage = request.url === messagesUrl(client.provider);
    return isMessage && client.hasUsualHeaders(request, [VERSION_HEADER]) ? '/v1/messages' : undefined;
  }

  async submit({ lines }: BatchSubmission, beforeCall?: () => void): Promise<string> {
    const requests = lines.map(({ id, body }) => `{"custom_id":${JSON.stringify(id)},"params":${body}}`);
    beforeCall?.();
    return this.client.create(this.#call('POST', '', `{"requests":[${requests.join(',')}]}`));
  }

  /** The API keeps no name of a batch: its results name the lines, and its counts their number. */
  async find({ token, since, lines, known }: LostSubmission): Promise<FoundSubmission> {
    let last: string | undefined;
    let isUnknown = false;
    for (let page = 0; page < LIST_PAGES; page += 1) {
      const query = `?limit=100${last === undefined ? '' : `&after_id=${encodeURIComponent(last)}`}`;
      const { data, has_more: hasMore } = await this.client.json(this.#call('GET', query));
      for (const batch of Array.isArray(data) ? data.filter(isRecord) : []) {
        if (Date.parse(String(batch.created_at)) < since - CLOCK_SKEW_MS) {
          return isUnknown ? { kind: 'unknown' } : { kind: 'none' };
        }
        const id = optionalId(batch.id);
        last = id;
        if (id === undefined || known.has(id) || countOf(batch) !== lines) continue;
        if (batch.processing_status !== 'ended') isUnknown = true;
        else if (await this.#isOf(id, token)) return { kind: 'found', id };
      }
      if (hasMore !== true || last === undefined) return isUnknown ? { kind: 'unknown' } : { kind: 'none' };
    }
    return { kind: 'unknown' };
  }

  async #isOf(id: string, token: string): Promise<boolean> {
    for await (const { id: line } of this.results(id, new AbortController().signal)) {
      return line.startsWith(token);
    }
    return false;
  }

  async state(id: string): Promise<UpstreamBatchState> {
    const { processing_status: status } = await this.client.json(
      this.#call('GET', `/${encodeURIComponent(id)}`),
    );
    // Each line says itself whether it ran.
    return status === 'ended' ? { kind: 'ended', isPartial: false } : { kind: 'running' };
  }

  /** Reads them below the base URL, whatever `results_url` says. */
  async *results(id: string, signal: AbortSignal): AsyncGenerator<UpstreamLineResult> {
    const call = this.#call('GET', `/${encodeURIComponent(id)}/results`);
    for await (const { text, json } of this.client.jsonLines(call, signal)) {
      const result = readResult(text, json);
      if (result) yield result;
    }
  }

  usageOf(_: string, body: string): Usage | undefined {
    const parsed = parseJsonText(body);
    return isRecord(parsed) ? readMessageUsage(parsed.usage) : undefined;
  }

  async cancel(id: string): Promise<void> {
    await this.client.attempt(this.#call('POST', `/${encodeURIComponent(id)}/cancel`));
  }

  async discard(id: string): Promise<void> {
    await this.client.attempt(this.#call('DELETE', `/${encodeURIComponent(id)}`));
  }

  #call(method: BatchCall['method'], path: string, body?: string): BatchCall {
    const url = apiUrl(this.client.provider, `/messages/batches${path}`);
    return { method, url, headers: betaHeaders(undefined), ...(body === undefined ? {} : { body }) };
  }
}

function countOf({ request_counts: counts }: Json): number {
  if (!isRecord(counts)) return 0;
  return Object.values(counts).reduce((sum: number, count) => sum + (Number(count) || 0), 0);
}

function readResult(text: string, { custom_id: id, result }: Json): UpstreamLineResult | undefined {
  if (typeof id !== 'string' || !isRecord(result)) return undefined;
  // As the provider wrote it: numbers keep their digits.
  const member = (name: string) => memberText(memberText(text, 'result') ?? '{}', name) ?? '{}';
  switch (result.type) {
    case 'succeeded':
      if (!isRecord(result.message)) return undefined;
      return { id, kind: 'response', status: 200, body: member('message') };
    case 'errored': {
      const error = isRecord(result.error) && isRecord(result.error.error) ? result.error.error : {};
      const status = STATUSES[asString(error.type) ?? ''] ?? 500;
      return { id, kind: 'response', status, body: member('error') };
    }
    case 'canceled':
    case 'expired':
      return { id, kind: 'not_run' };
    default:
      return undefined;
  }
}
