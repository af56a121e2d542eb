import { expect } from 'bun:test';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setUp } from '../../scripts/setup.mjs';
import { isRecord } from '../../src/core/json.ts';
import { cleanEnvironment, type Gateway } from '../support/gateway.ts';
import type { RawResponse } from '../support/http-raw.ts';
import planted from '../support/planted.json' with { type: 'json' };
import { PROGRAM } from '../support/program.ts';
import { dataEvents, eventStream, json, type ResponseScript } from '../support/scripts.ts';

/** What the end-to-end tests share: an upstream's answers, a minimal configuration, and checks of what comes back. */

export const UPSTREAM_KEY = planted['provider key'];
const CREATED = 1_700_000_000;

export interface ProviderEntry {
  readonly id: string;
  readonly url: string;
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** An `openai-compatible` provider that is not asked for its models, so that the mock sees nothing but the tests' requests. */
export function provider({ id, url, settings }: ProviderEntry): Record<string, unknown> {
  return {
    id,
    kind: 'openai-compatible',
    base_url: `${url}/v1`,
    api_key: UPSTREAM_KEY,
    discover: false,
    ...settings,
  };
}

/** One provider `mock` and one model `chat` behind it, named `upstream-chat` there. */
export function mockConfig(
  url: string,
  more: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return {
    providers: [provider({ id: 'mock', url })],
    models: [{ id: 'chat', targets: [{ provider: 'mock', model: 'upstream-chat' }] }],
    ...more,
  };
}

/** A chat request's body; `more` adds members or replaces them. */
export function chat(more: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: 'Hi' }], ...more });
}

/** A plain answer in OpenAI's form. */
export function completion(content = 'Hello.', model = 'upstream-chat'): ResponseScript {
  return json({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: CREATED,
    model,
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  });
}

/** One event of a stream: with text, with the role too as in a first event, or with a finish reason instead. */
export function chunk(
  part: { readonly content: string; readonly role?: 'assistant' } | { readonly finish: string },
): object {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: CREATED,
    model: 'upstream-chat',
    choices: [
      'content' in part
        ? { index: 0, delta: { ...part }, finish_reason: null }
        : { index: 0, delta: {}, finish_reason: part.finish },
    ],
  };
}

/** The pieces of a sound stream: an event for each text, one with the finish reason, `[DONE]`. */
export function streamPieces(...texts: string[]): string[] {
  const contents = texts.map((content, at) => chunk({ ...(at === 0 && { role: 'assistant' }), content }));
  return dataEvents([...contents, chunk({ finish: 'stop' })]);
}

export function streamed(...texts: string[]): ResponseScript {
  return eventStream(streamPieces(...texts));
}

export interface PostOptions {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Posts a body with the admin key. A header given as '' is left out. */
export function post(
  gateway: Gateway,
  body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>,
  { path = '/v1/chat/completions', headers = {}, signal }: PostOptions = {},
): Promise<Response> {
  const all = { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json', ...headers };
  return fetch(gateway.url + path, {
    method: 'POST',
    headers: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== '')),
    body,
    ...(signal && { signal }),
  });
}

export interface ErrorBody {
  readonly message: string;
  readonly type: string;
  readonly code: string;
  readonly param: string | null;
}

/** The error object of a body in OpenAI's form, after checking that its members have the types that SDKs rely on. */
export function errorIn(body: unknown): ErrorBody {
  const error = isRecord(body) ? body.error : undefined;
  if (!isRecord(error)) throw new Error(`not an error in OpenAI's form: ${JSON.stringify(body)}`);
  const { message, type, code, param } = error;
  if (typeof message !== 'string' || message === '') throw new Error(`message: ${JSON.stringify(error)}`);
  if (typeof type !== 'string' || type === '') throw new Error(`type: ${JSON.stringify(error)}`);
  if (typeof code !== 'string' || code === '') throw new Error(`code: ${JSON.stringify(error)}`);
  if (param !== null && typeof param !== 'string') throw new Error(`param: ${JSON.stringify(error)}`);
  expect(message).not.toMatch(/\n\s+at |\/src\/|\.ts:\d/);
  return { message, type, code, param };
}

/** Checks status and code of an error answer, and returns its error object. */
export async function expectError(
  response: Response | RawResponse,
  status: number,
  code: string,
): Promise<ErrorBody> {
  const body: unknown = await response.json();
  const error = errorIn(body);
  expect({ status: response.status, code: error.code, message: error.message }).toEqual({
    status,
    code,
    message: error.message,
  });
  expect(response.headers.get('x-request-id')).toMatch(/^[\w.:-]{1,128}$/);
  expect(response.headers.get('content-type')).toStartWith('application/json');
  return error;
}

/** The value of a metric; the sum where it has several label sets. */
export async function metric(gateway: Gateway, name: string): Promise<number> {
  const page = await (await fetch(`${gateway.metricsUrl}/metrics`)).text();
  const found = [...page.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))];
  if (found.length === 0) throw new Error(`no metric ${name}`);
  return found.reduce((sum, [, value]) => sum + Number(value), 0);
}

/**
 * Asks again until the condition of another process holds, which nothing announces.
 * @throws when it does not hold within `withinMs`
 */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  withinMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `weir` with these arguments to its end, in an empty folder and a clean environment. */
export async function weir(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  const home = mkdtempSync(join(tmpdir(), 'weir-command-'));
  const child = spawn(
    setUp({ withDev: true }),
    ['--no-orphans', '--no-env-file', '--no-install', PROGRAM, ...args],
    {
      cwd: home,
      env: { ...cleanEnvironment(home), WEIR_DATA_DIR: join(home, 'data'), WEIR_DETECT_ENGINES: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8');
    child[name].on('data', (part: string) => {
      text[name] += part;
    });
  }
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    return { code, ...text };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
