import { isRecord } from '../../src/core/json.ts';
import { type Bytes, joinBytes, toBytes } from '../support/bytes.ts';
import type { CorpusRequest } from './corpus.ts';

/** Pure: a seed and a sound request in, a request that is unsound in one to three places out. */

/** Returns numbers from 0 up to and excluding 1, the same ones for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Choices {
  constructor(private readonly random: () => number) {}

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  of<T>(options: readonly [T, ...T[]]): T {
    return options[this.below(options.length)] ?? options[0];
  }
}

const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);

/** JSON texts that stand where another value was. */
const HOSTILE_VALUES: readonly [string, ...string[]] = [
  'null',
  'true',
  '""',
  '" "',
  '0',
  '-1',
  '1e308',
  '1e999',
  '9007199254740993',
  '0.1',
  '[]',
  '{}',
  '[[]]',
  '[null]',
  '{"":null}',
  '{"__proto__":{"a":1},"constructor":{"prototype":{}}}',
  '"\\ud800"',
  '"\\u0000\\u001f\\u2028\\ufeff"',
  '"__proto__"',
  '"data:image/png;base64,@@@"',
  '"http://169.254.169.254/latest"',
  '"file:///etc/passwd"',
  JSON.stringify('x'.repeat(5_000)),
  JSON.stringify('界'.repeat(2_000)),
  `[${'{},'.repeat(500)}{}]`,
  nested(60),
  nested(2_000),
];

const HOSTILE_TARGETS: readonly [string, ...string[]] = [
  '%',
  '%00',
  '/../admin/v1/tenants',
  '//',
  '?limit=-1&limit=x',
  '?%FF=%FE',
  '#x',
  '/..%2f..%2f',
  ';a=b',
  '\\',
  `/${'a'.repeat(3_000)}`,
];

const HOSTILE_HEADERS: readonly [string, ...string[]] = [
  'content-type: text/xml',
  'content-type: multipart/form-data; boundary=x',
  'content-encoding: gzip',
  'accept: */*;q=x',
  'x-request-id: \xff\xfe',
  'x-weir-max-cost: abc',
  'x-weir-max-cost: -1',
  'x-weir-timeout: 1e99',
  'x-weir-priority: \x22',
  'x-weir-explain: true',
  'x-weir-simulate: fault=x,tps=-1',
  'x-weir-tags: a=b=c,,=',
  'x-forwarded-for: 1.1.1.1, ::ffff:1.2.3.4, x',
  'if-match: "',
  'idempotency-key: \x20',
  `cookie: ${'a=b; '.repeat(300)}`,
  'authorization: Bearer',
  'authorization: Basic OjpfOg==',
  'expect: 100-continue',
  'connection: close, x',
  'transfer-encoding: chunked',
  'host: a b',
  'origin: null',
  'range: bytes=0-',
];

/** Replaces, removes, doubles or adds a value somewhere in the tree; the marks are resolved in the text afterwards. */
function mutateJson(body: unknown, choices: Choices, marks: Map<string, string>): unknown {
  const copy: unknown = structuredClone(body);
  const places: { readonly parent: Record<string, unknown> | unknown[]; readonly key: string }[] = [];
  const visit = (value: unknown) => {
    if (Array.isArray(value)) {
      for (const [at, item] of value.entries()) {
        places.push({ parent: value, key: String(at) });
        visit(item);
      }
    } else if (isRecord(value)) {
      for (const key of Object.keys(value)) {
        places.push({ parent: value, key });
        visit(value[key]);
      }
    }
  };
  visit(copy);
  const place = places[choices.below(places.length)];
  if (place === undefined) return copy;
  const { parent, key } = place;
  const mark = () => {
    const name = `@mark-${marks.size}@`;
    marks.set(JSON.stringify(name), choices.of(HOSTILE_VALUES));
    return name;
  };
  if (Array.isArray(parent)) {
    const at = Number(key);
    choices.of<() => unknown>([
      () => parent.splice(at, 1),
      () => parent.splice(at, 0, structuredClone(parent[at])),
      () => parent.splice(at, 1, mark()),
      () => parent.reverse(),
    ])();
  } else {
    const set = (name: string, value: unknown) => Object.assign(parent, { [name]: value });
    choices.of<() => unknown>([
      () => delete parent[key],
      () => set(key, mark()),
      () => set(key, mark()),
      () => set(`${key}_`, parent[key]),
      () => set(key, [parent[key]]),
      () => set(key, { [key]: parent[key] }),
    ])();
  }
  return copy;
}

function mutateBytes(bytes: Uint8Array, choices: Choices): Uint8Array {
  const at = choices.below(bytes.length + 1);
  const length = choices.below(8);
  return choices.of([
    () => joinBytes([bytes.subarray(0, at), bytes.subarray(at + length)]),
    () => joinBytes([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - 20))]),
    () => bytes.subarray(0, at),
    () => {
      const noise = Uint8Array.from({ length: length + 1 }, () => choices.below(256));
      return joinBytes([bytes.subarray(0, at), noise, bytes.subarray(at)]);
    },
    () => {
      const flipped = bytes.slice();
      if (at < flipped.length) flipped[at] = (flipped[at] ?? 0) ^ (1 << choices.below(8));
      return flipped;
    },
  ])();
}

/** A body in chunked coding, cut at random. */
function chunked(bytes: Uint8Array, choices: Choices): Uint8Array {
  const parts: Bytes[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + choices.below(Math.min(1_000, bytes.length - at));
    const extension = choices.chance(0.1) ? ';a="b"' : '';
    parts.push(`${size.toString(16)}${extension}\r\n`, bytes.subarray(at, at + size), '\r\n');
    at += size;
  }
  return joinBytes([...parts, '0\r\n\r\n']);
}

export interface FuzzedRequest {
  readonly bytes: Uint8Array;
  /** HEAD, whose response has no body whatever its head says. */
  readonly headOnly: boolean;
}

/** @param authorization value of the header of the same name */
export function fuzzed(request: CorpusRequest, seed: number, authorization: string): FuzzedRequest {
  const choices = new Choices(seededRandom(seed));
  const headers = ['host: 127.0.0.1', 'connection: close'];
  if (choices.chance(0.95)) headers.push(`authorization: ${authorization}`);
  let { method, target } = request;
  if (choices.chance(0.03)) method = choices.of(['PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'FOO', 'POST']);
  if (choices.chance(0.1)) target += choices.of(HOSTILE_TARGETS);
  if (choices.chance(0.15)) headers.push(choices.of(HOSTILE_HEADERS));
  let body: Uint8Array | undefined;
  if (request.body !== undefined) {
    headers.push('content-type: application/json');
    const marks = new Map<string, string>();
    let json: unknown = request.body;
    for (let left = 1 + choices.below(3); left > 0; left -= 1) json = mutateJson(json, choices, marks);
    let text = JSON.stringify(json);
    for (const [mark, value] of marks) text = text.replaceAll(mark, () => value);
    body = toBytes(text);
    if (choices.chance(0.2)) body = mutateBytes(body, choices);
    if (choices.chance(0.2)) {
      headers.push('transfer-encoding: chunked');
      body = chunked(body, choices);
    } else headers.push(`content-length: ${body.length}`);
  }
  const head = `${method} ${target} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`;
  return { bytes: joinBytes([Buffer.from(head, 'latin1'), body ?? '']), headOnly: method === 'HEAD' };
}
