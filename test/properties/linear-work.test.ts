import { describe, expect, test } from 'bun:test';
import { chatCall } from '../../src/api/chat-call.ts';
import { embeddingCall } from '../../src/api/openai/embedding-call.ts';
import { embeddingRequest } from '../../src/api/openai/schemas.ts';
import { validate } from '../../src/api/validation.ts';
import { editCall } from '../../src/core/edit-call.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { ChatCall, InferenceCall } from '../../src/core/inference.ts';
import { assertJsonLimits } from '../../src/core/json-limits.ts';
import { addWarning, type Warning } from '../../src/core/warning.ts';
import type { Target } from '../../src/providers/types.ts';
import { DIALECTS, FORMATS, type TestedDialect } from '../support/dialects-and-formats.ts';
import { measureGrowth } from '../support/growth.ts';
import { testContext } from '../support/inference.ts';
import { LARGE_REQUESTS } from '../support/large-requests.ts';

/** Sizes of the small one of the two requests that are compared. */
const READ_SIZE = 4_000;
const BUILD_SIZE = 2_000;

/** Reads a body as its endpoint does. */
function read(text: string, { dialect, schema }: TestedDialect): ChatCall {
  assertJsonLimits(text);
  const json: Record<string, unknown> = JSON.parse(text);
  validate(schema, json);
  return chatCall('chat', dialect, { text, json }, new Headers());
}

/** Reads all facts of a call that the gateway uses, and its canonical form. */
function inspect(call: ChatCall): void {
  const view = call.view();
  view.promptParts();
  view.conversationStart();
  view.hasImages();
  unlessRejected(() => call.chat());
  editCall(call, { type: 'prepend-system', text: 'Be kind.' })?.view();
}

/** Builds the upstream request, with all warnings. */
function build(call: InferenceCall, to: Target): void {
  const warnings: Warning[] = [];
  const context = testContext({ warn: (warning) => addWarning(warnings, warning) });
  unlessRejected(() => to.provider.adapter.buildRequest(call, to, context));
  expect(warnings.length).toBeLessThanOrEqual(101);
}

/** Some formats reject some requests. */
function unlessRejected(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof GatewayError) || error.status >= 500) throw error;
  }
}

describe.each(Object.keys(LARGE_REQUESTS))('work grows linearly with a request in the dialect %s', (name) => {
  const used = DIALECTS[name];
  if (!used) throw new Error(`the dialect ${name} is not tested`);
  const requests = Object.entries(LARGE_REQUESTS[name] ?? {}).map(([dimension, body]) => ({
    dimension,
    texts: bySize((size) => JSON.stringify(body(size))),
    calls: bySize((size) => {
      const call = read(JSON.stringify(body(size)), used);
      unlessRejected(() => call.chat());
      return call;
    }),
  }));

  test('when it is read', () => {
    const found = requests.flatMap(({ dimension, texts }) => {
      const growth = measureGrowth(READ_SIZE, (size) => {
        const text = texts(size);
        return () => inspect(read(text, used));
      });
      return growth === undefined ? [] : [`${dimension}: ${growth}`];
    });
    expect(found).toEqual([]);
  });

  test.each(Object.entries(FORMATS))('when it is built: %s', (_format, to) => {
    const found = requests.flatMap(({ dimension, calls }) => {
      const growth = measureGrowth(BUILD_SIZE, (size) => {
        const call = calls(size);
        return () => build(call, to);
      });
      return growth === undefined ? [] : [`${dimension}: ${growth}`];
    });
    expect(found).toEqual([]);
  });
});

/** Makes the value of each size once. */
function bySize<T>(make: (size: number) => T): (size: number) => T {
  const made = new Map<number, T>();
  return (size) => {
    const known = made.get(size);
    if (known !== undefined) return known;
    const value = make(size);
    made.set(size, value);
    return value;
  };
}

test.each(Object.entries(FORMATS))(
  'work grows linearly with lists of inputs and documents: %s',
  (_format, to) => {
    const inputs = (size: number) => Array.from({ length: size }, (_, index) => `text ${index}`);
    const growth = measureGrowth(BUILD_SIZE, (size) => {
      const text = JSON.stringify({ model: 'm', input: inputs(size) });
      return () => {
        const json: Record<string, unknown> = JSON.parse(text);
        validate(embeddingRequest, json);
        build(embeddingCall({ text, json }, new Headers()), to);
      };
    });
    expect(growth).toBeUndefined();
  },
);
