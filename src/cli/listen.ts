import { isRecord, parseJsonText } from '../core/json.ts';
import { parseBlock, SseFramer } from '../core/sse.ts';
import { isWanted } from '../webhooks/event-filter.ts';
import { newWebhookSecret, signedHeaders } from '../webhooks/signature.ts';
import { CommandError, type Output } from './output.ts';

/** How a command reaches the admin API. */
export interface AdminApiOptions {
  readonly url: string;
  readonly key?: string;
  readonly tenant: string;
}

export interface ListenOptions extends AdminApiOptions {
  readonly forwardTo?: string;
  readonly event: readonly string[];
  readonly secret?: string;
  /** Ends after so many events; for scripts. */
  readonly count?: string;
}

const RECONNECT_MS = 1_000;
const FORWARD_MS = 30_000;

/**
 * Follows the events of a tenant, prints them, and sends them to a URL, signed as webhooks are.
 * @param signal ends it
 */
export async function listenCommand(
  env: Readonly<Record<string, string | undefined>>,
  output: Output,
  options: ListenOptions,
  signal: AbortSignal,
): Promise<void> {
  const { forwardTo, event: patterns, secret = newWebhookSecret() } = options;
  const count = options.count === undefined ? Number.POSITIVE_INFINITY : Number(options.count);
  if (!(count >= 1)) throw new CommandError('--count is not valid: expected a number from 1.');
  if (forwardTo !== undefined) {
    if (!URL.canParse(forwardTo)) throw new CommandError(`--forward-to "${forwardTo}" is not a URL.`);
    output.out(`Signing secret: ${secret}`);
  }
  let after: string | undefined;
  let left = count;
  for (;;) {
    const stream = await connect(env, options, after, signal);
    if (stream === 'gone') after = undefined;
    else if (stream !== undefined) {
      output.err(`Connected to ${options.url}; events of ${options.tenant} follow.`);
      for await (const { id, type, text } of eventsOf(stream)) {
        after = id;
        if (patterns.length > 0 && !isWanted(patterns, type)) continue;
        const outcome = forwardTo === undefined ? '' : `  -> ${await forward(forwardTo, secret, id, text)}`;
        output.out(`${type}  ${id}${outcome}`);
        left -= 1;
        if (left <= 0) return;
      }
    }
    if (signal.aborted) return;
    await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
  }
}

/** Stores an event with example data. */
export async function triggerCommand(
  env: Readonly<Record<string, string | undefined>>,
  output: Output,
  type: string,
  options: AdminApiOptions,
): Promise<void> {
  const response = await call(env, options, '/events/trigger', {
    method: 'POST',
    body: JSON.stringify({ type }),
    headers: { 'content-type': 'application/json' },
  }).catch((error: unknown) => {
    throw new CommandError(`Cannot reach ${options.url}: ${error instanceof Error ? error.message : error}`);
  });
  if (!response.ok) throw await failure(options, response);
  await response.body?.cancel();
  output.out(`Triggered ${type} for ${options.tenant}.`);
}

/** @returns undefined while the gateway is unreachable; `gone` when the last event was deleted there */
async function connect(
  env: Readonly<Record<string, string | undefined>>,
  options: AdminApiOptions,
  after: string | undefined,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array> | 'gone' | undefined> {
  const headers = after === undefined ? {} : { 'last-event-id': after };
  let response: Response;
  try {
    response = await call(env, options, '/events/stream', { signal, headers });
  } catch (error) {
    if (error instanceof CommandError) throw error;
    // It restarts, or the network is down: the events are still there after that.
    return undefined;
  }
  if (response.ok && response.body) return response.body;
  if (response.status === 404 && after !== undefined) return 'gone';
  if (response.status === 429 || response.status >= 500) return undefined;
  throw await failure(options, response);
}

function call(
  env: Readonly<Record<string, string | undefined>>,
  { url, key = env.WEIR_ADMIN_KEY, tenant }: AdminApiOptions,
  path: string,
  init: RequestInit & { readonly headers: Readonly<Record<string, string>> },
): Promise<Response> {
  if (!URL.canParse(url)) throw new CommandError(`--url "${url}" is not a URL.`);
  if (!key) throw new CommandError('The admin API needs a key: set --key or WEIR_ADMIN_KEY.');
  const headers = { ...init.headers, authorization: `Bearer ${key}` };
  return fetch(new URL(`/admin/v1/tenants/${encodeURIComponent(tenant)}${path}`, url), { ...init, headers });
}

async function failure({ url }: AdminApiOptions, response: Response): Promise<CommandError> {
  const text = await response.text();
  const body = parseJsonText(text);
  const error = isRecord(body) && isRecord(body.error) ? String(body.error.message) : text.slice(0, 200);
  return new CommandError(`${url} returned ${response.status}: ${error}`);
}

/** Ends without an error when the connection is lost. */
async function* eventsOf(stream: ReadableStream<Uint8Array>) {
  const framer = new SseFramer();
  const blocks: Uint8Array[] = [];
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined }));
    if (done || !value) return;
    framer.push(value, (block) => blocks.push(block));
    for (const block of blocks.splice(0)) {
      const { data: text } = parseBlock(new TextDecoder().decode(block));
      const event = text === undefined ? undefined : parseJsonText(text);
      if (text === undefined || !isRecord(event)) continue;
      yield { id: String(event.id), type: String(event.type), text };
    }
  }
}

/** @returns the status, or the reason why there is none */
async function forward(url: string, secret: string, id: string, body: string): Promise<string> {
  try {
    const response = await fetch(url, {
      ...{ method: 'POST', body, redirect: 'manual', signal: AbortSignal.timeout(FORWARD_MS) },
      headers: { 'content-type': 'application/json', ...signedHeaders([secret], id, Date.now(), body) },
    });
    await response.body?.cancel();
    return String(response.status);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
