import type { Gateway } from '../../support/gateway.ts';
import { parseObject } from './json.ts';

export interface AdminResult {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

export interface AdminOptions {
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Calls the admin API; `path` begins after `/admin/v1`. */
export async function admin(
  gateway: Pick<Gateway, 'url' | 'adminKey'>,
  method: string,
  path: string,
  body?: unknown,
  { key = gateway.adminKey, headers = {} }: AdminOptions = {},
): Promise<AdminResult> {
  const response = await fetch(`${gateway.url}/admin/v1${path}`, {
    method,
    headers: {
      ...(key === '' ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? {} : parseObject(text) };
}

/** The same, of which nothing but success is expected. */
export async function done(...call: Parameters<typeof admin>): Promise<AdminResult['body']> {
  const answer = await admin(...call);
  if (answer.status >= 300) {
    throw new Error(`${call.slice(1, 3).join(' ')}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }
  return answer.body;
}

/** The code of an error answer. */
export function codeOf({ body }: AdminResult): unknown {
  const { error } = body;
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

export function dataOf(body: AdminResult['body']): Record<string, unknown>[] {
  const { data } = body;
  if (!Array.isArray(data)) throw new Error(`no list: ${JSON.stringify(body)}`);
  return data.map((item: unknown) => parseObject(JSON.stringify(item)));
}
