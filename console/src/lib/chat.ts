import { ApiError, api } from './api.ts';

/** A message as OpenAI's Chat Completions API has it. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string | readonly Readonly<Record<string, unknown>>[] | null;
  readonly tool_calls?: readonly ToolCall[];
  readonly tool_call_id?: string;
}

export interface ToolCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

export interface ChatUsage {
  readonly prompt_tokens?: number;
  readonly completion_tokens?: number;
  readonly prompt_tokens_details?: { readonly cached_tokens?: number };
  readonly completion_tokens_details?: { readonly reasoning_tokens?: number };
}

/** What is known of a response while it arrives. Times are milliseconds since the request was sent. */
export interface ChatProgress {
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly ToolCall[];
  readonly finishReason: string | undefined;
  readonly firstMs: number | undefined;
  readonly totalMs: number | undefined;
  readonly usage: ChatUsage | undefined;
  readonly requestId: string | undefined;
  readonly provider: string | undefined;
  readonly model: string | undefined;
  readonly cache: string | undefined;
  /** US dollars; known at the end, where the model has a price. */
  readonly cost: string | undefined;
}

export const NOTHING_YET: ChatProgress = {
  ...{ text: '', reasoning: '', toolCalls: [], finishReason: undefined, firstMs: undefined },
  ...{ totalMs: undefined, usage: undefined, requestId: undefined, provider: undefined },
  ...{ model: undefined, cache: undefined, cost: undefined },
};

/** Longest event, in characters. */
const MAX_EVENT = 4_000_000;

/**
 * Sends a chat as a stream with the rights of the session.
 * @param body without `stream`
 * @param onProgress called for each event
 * @throws ApiError, also for an error within the stream
 */
export async function streamChat(
  tenant: string,
  body: Readonly<Record<string, unknown>>,
  onProgress: (progress: ChatProgress) => void,
  signal: AbortSignal,
): Promise<ChatProgress> {
  const started = performance.now();
  const response = await api.raw('POST', '/v1/chat/completions', {
    body: { ...body, stream: true, stream_options: { include_usage: true } },
    headers: { 'x-weir-tenant': tenant },
    signal,
  });
  const header = (name: string) => response.headers.get(name) ?? undefined;
  let progress: ChatProgress = {
    ...NOTHING_YET,
    ...{ requestId: header('x-request-id'), provider: header('x-weir-provider') },
    ...{ model: header('x-weir-model'), cache: header('x-weir-cache'), cost: header('x-weir-cost') },
  };
  const update = (change: Partial<ChatProgress>) => {
    progress = { ...progress, ...change };
    onProgress(progress);
  };
  update({});
  for await (const data of eventsOf(response)) {
    // The request is counted when the body has ended.
    if (data === '[DONE]') continue;
    const event: ChatEvent = JSON.parse(data);
    if (event.error) throw streamError(event.error, progress.requestId);
    const choice = event.choices?.[0];
    const { content, reasoning_content: reasoning, tool_calls: calls } = choice?.delta ?? {};
    const isFirst = progress.firstMs === undefined && (content || reasoning || calls);
    update({
      text: progress.text + (content ?? ''),
      reasoning: progress.reasoning + (reasoning ?? ''),
      toolCalls: calls ? merged(progress.toolCalls, calls) : progress.toolCalls,
      finishReason: choice?.finish_reason ?? progress.finishReason,
      usage: event.usage ?? progress.usage,
      ...(isFirst ? { firstMs: performance.now() - started } : {}),
    });
  }
  update({ totalMs: performance.now() - started });
  if (progress.cost === undefined) {
    // What the cache serves costs nothing, and no attempt was made.
    update({ cost: progress.cache === 'hit' ? '0' : await costOf(progress.requestId) });
  }
  return progress;
}

/** @returns what a stream cost, which its headers cannot say; undefined where no price is known */
async function costOf(requestId: string | undefined): Promise<string | undefined> {
  if (requestId === undefined) return undefined;
  try {
    const { attempts = [] } = await api.get<KnownRequest>(`/admin/v1/requests/${requestId}`);
    const costs = attempts.map(({ cost_usd: cost }) => cost ?? null).filter((cost) => cost !== null);
    return costs.length === 0 ? undefined : String(costs.reduce((sum, cost) => sum + Number(cost), 0));
  } catch {
    // The role may not read requests, or the gateway is gone: the response itself is complete.
    return undefined;
  }
}

interface KnownRequest {
  readonly attempts?: readonly { readonly cost_usd?: string | null }[];
}

interface CallPart {
  readonly index: number;
  readonly id?: string;
  readonly function?: { readonly name?: string; readonly arguments?: string };
}

interface ChatEvent {
  readonly error?: { readonly message?: string; readonly code?: string };
  readonly usage?: ChatUsage;
  readonly choices?: readonly {
    readonly finish_reason?: string | null;
    readonly delta?: {
      readonly content?: string | null;
      readonly reasoning_content?: string | null;
      readonly tool_calls?: readonly CallPart[];
    };
  }[];
}

function streamError({ message, code }: NonNullable<ChatEvent['error']>, requestId: string | undefined) {
  return new ApiError(
    200,
    code ?? 'error',
    message ?? 'The stream ended with an error.',
    undefined,
    requestId,
  );
}

function merged(calls: readonly ToolCall[], parts: readonly CallPart[]): ToolCall[] {
  const next = [...calls];
  for (const { index, id, function: part } of parts) {
    const before = next[index];
    next[index] = {
      ...{ id: id ?? before?.id ?? '', type: 'function' },
      function: {
        name: (before?.function.name ?? '') + (part?.name ?? ''),
        arguments: (before?.function.arguments ?? '') + (part?.arguments ?? ''),
      },
    };
  }
  return next;
}

/** The data of each server-sent event. */
async function* eventsOf(response: Response): AsyncGenerator<string> {
  if (!response.body) return;
  let rest = '';
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    rest += text;
    const events = rest.split(/\r?\n\r?\n/);
    rest = events.pop() ?? '';
    if (rest.length > MAX_EVENT)
      throw new ApiError(200, 'error', 'An event is too long.', undefined, undefined);
    for (const event of events) {
      const lines = event.split(/\r?\n/).filter((line) => line.startsWith('data:'));
      if (lines.length > 0) yield lines.map((line) => line.slice(5).trimStart()).join('\n');
    }
  }
}
