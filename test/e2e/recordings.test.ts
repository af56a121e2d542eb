import { afterAll, beforeAll, expect, test } from 'bun:test';
import { shortToolCallId } from '../../src/providers/openai-compatible/tool-call-ids.ts';
import { toText } from '../support/bytes.ts';
import { describeRecordings } from '../support/describe-recordings.ts';
import { parseEventStream } from '../support/event-stream.ts';
import { assertEqualJson } from '../support/json-diff.ts';
import { isEventStream, type RecordedCall, recordedCallTitle, responseJson } from '../support/recordings.ts';
import { expectedEmbeddings } from './helpers/embedding-rules.ts';
import { asObject, type Json, parseObject } from './helpers/json.ts';
import {
  PROVIDER_KEY,
  REPLAYED_PROVIDERS,
  type Replayed,
  Replayer,
  recordedBody,
  type Variant,
  variantsOf,
} from './helpers/replayer.ts';
import { expectedEvents, type UsageMode } from './helpers/stream-rules.ts';

/** Ways to cut each event stream, as recorded. */
const SPLITS = 50;
/** Ways to cut it where only the provider's settings, or what the client asks of usage, are other ones. */
const FEW_SPLITS = 5;

const isOperation = ({ request }: RecordedCall) => /\/(chat\/completions|embeddings)$/.test(request.path);
const succeeded = ({ response }: RecordedCall) => response.status === 200;
const asksForUsage = (body: Json) =>
  body.stream_options !== undefined && asObject(body.stream_options).include_usage === true;

/** Events of a recorded stream, read by the standard's rules. */
function eventsOf(body: Uint8Array): { events: Json[]; done: boolean; comments: readonly string[] } {
  const { events, comments, unterminated } = parseEventStream(body);
  expect(unterminated).toBe(false);
  const data = events.map((event) => event.data);
  const done = data.at(-1) === '[DONE]';
  return { events: (done ? data.slice(0, -1) : data).map(parseObject), done, comments };
}

/** What the upstream got is what the client sent, but for the model's name and the documented additions. */
function expectSameRequest({ sent, upstream, model }: Replayed, variant: Variant, path: string): void {
  expect(upstream.path).toBe(path);
  expect(upstream.headers.get('authorization')).toBe(`Bearer ${PROVIDER_KEY}`);
  const expected: Record<string, unknown> = { ...sent, model: model.slice(variant.id.length + 1) };
  if (sent.stream === true && !variant.sendsUsageUnasked && !asksForUsage(sent)) {
    expected.stream_options = { include_usage: true };
  }
  if (variant.floatEmbeddingsOnly && sent.encoding_format === 'base64') expected.encoding_format = 'float';
  const ordered = /mistral|mixtral/.test(model) ? withAcknowledgements(expected) : expected;
  if (variant.id !== 'mistral') {
    assertEqualJson(upstream.json(), ordered);
    return;
  }
  // Mistral sends usage always, and rejects the option.
  const { stream_options: _, ...taken } = ordered;
  assertEqualJson(upstream.json(), withShortIds(taken));
}

/** Mistral's models take a message of the user after one of the assistant only, not after a tool's. */
function withAcknowledgements(body: Record<string, unknown>): Record<string, unknown> {
  const messages: readonly unknown[] = Array.isArray(body.messages) ? body.messages : [];
  const roleOf = (message: unknown) => (message === undefined ? undefined : asObject(message).role);
  const ordered = messages.flatMap((message, index) =>
    roleOf(message) === 'user' && roleOf(messages[index - 1]) === 'tool'
      ? [{ role: 'assistant', content: 'OK.' }, message]
      : [message],
  );
  return Array.isArray(body.messages) ? { ...body, messages: ordered } : body;
}

/** Mistral takes ids of nine letters or digits only: the documented rule, and the recordings' ids are scrubbed. */
function withShortIds(body: Record<string, unknown>): unknown {
  return JSON.parse(JSON.stringify(body), (key, value: unknown) => {
    const isId = key === 'tool_call_id' || (key === 'id' && typeof value === 'string');
    return isId && typeof value === 'string' ? shortToolCallId(value) : value;
  });
}

/** A call without arguments has those of an empty object. */
function withArguments(completion: Record<string, unknown>): unknown {
  return JSON.parse(JSON.stringify(completion), (key, value: unknown) =>
    key === 'arguments' && value === '' ? '{}' : value,
  );
}

interface Row {
  readonly provider: string;
  exchanges: number;
  streams: number;
  embeddings: number;
  errors: number;
  replays: number;
}

describeRecordings(
  'recorded chat and embeddings traffic through the gateway (xai has recordings of /responses only)',
  { providers: REPLAYED_PROVIDERS, where: isOperation },
  (exchanges) => {
    let replayer: Replayer;
    const rows = new Map(
      REPLAYED_PROVIDERS.map((provider): [string, Row] => [
        provider,
        { provider, exchanges: 0, streams: 0, embeddings: 0, errors: 0, replays: 0 },
      ]),
    );
    const count = (recordedCall: RecordedCall, kind: 'exchanges' | 'streams' | 'embeddings' | 'errors') => {
      const row = rows.get(recordedCall.provider);
      if (row) row[kind] += 1;
    };
    const replay: Replayer['replay'] = async (recordedCall, options) => {
      const replayed = await replayer.replay(recordedCall, options);
      const row = rows.get(recordedCall.provider);
      if (row) row.replays += 1;
      return replayed;
    };
    const titled = (chosen: readonly RecordedCall[]) =>
      chosen.map((recordedCall) => [recordedCallTitle(recordedCall), recordedCall] as const);

    beforeAll(async () => {
      replayer = await Replayer.start(exchanges);
    });
    afterAll(async () => {
      await replayer.stop();
      console.table([...rows.values()]);
    });

    /** Replays one stream at many random splits at once and compares every answer with the rules. */
    const replayStream = async (recordedCall: RecordedCall, variant: Variant, body: Json, splits: number) => {
      const recorded = eventsOf(recordedCall.response.body);
      const mode: UsageMode = asksForUsage(body)
        ? 'asked'
        : variant.sendsUsageUnasked
          ? 'always'
          : 'gateway-asked';
      const seeds = Array.from({ length: splits }, (_, index) => index + 1);
      // The whole request once; the others carry what decides the form of the answer.
      const { messages: _, tools: __, ...form } = body;
      const small = { ...form, messages: [{ role: 'user', content: 'as recorded' }] };
      let verified: Uint8Array | undefined;
      await Promise.all(
        seeds.map(async (seed) => {
          const replayed = await replay(recordedCall, { variant, body: seed === 1 ? body : small, seed });
          expect(replayed.response.status).toBe(200);
          if (seed === 1) expectSameRequest(replayed, variant, recordedCall.request.path);
          // An answer with the same bytes as one that was right is right.
          if (verified !== undefined && Buffer.compare(verified, replayed.body) === 0) return;
          const got = eventsOf(replayed.body);
          assertEqualJson(got.events, expectedEvents(recorded.events, replayed.model, mode));
          expect(got.done).toBe(true);
          expect(got.comments).toEqual(recorded.comments);
          verified = replayed.body;
        }),
      );
    };

    test.each(
      titled(exchanges.filter((recordedCall) => succeeded(recordedCall) && isEventStream(recordedCall))),
    )('stream %s', async (_, recordedCall) => {
      const { named, generic } = variantsOf(recordedCall.provider);
      const body = recordedBody(recordedCall);
      const { stream_options: __, ...unasked } = body;
      const otherwise = asksForUsage(body) ? unasked : { ...body, stream_options: { include_usage: true } };
      await replayStream(recordedCall, named, body, SPLITS);
      await replayStream(recordedCall, named, otherwise, FEW_SPLITS);
      await replayStream(recordedCall, generic, body, FEW_SPLITS);
      count(recordedCall, 'exchanges');
      count(recordedCall, 'streams');
    });

    test.each(
      titled(exchanges.filter((recordedCall) => succeeded(recordedCall) && !isEventStream(recordedCall))),
    )('answer %s', async (_, recordedCall) => {
      const { named, generic } = variantsOf(recordedCall.provider);
      const body = recordedBody(recordedCall);
      const recorded = asObject(responseJson(recordedCall));
      const isEmbedding = recordedCall.request.path.endsWith('/embeddings');
      const encoding = body.encoding_format === 'base64' ? 'base64' : 'float';
      for (const variant of [named, generic]) {
        const replayed = await replay(recordedCall, { variant, body, seed: 1, pieces: 7 });
        expect(replayed.response.status).toBe(200);
        expectSameRequest(replayed, variant, recordedCall.request.path);
        const { model } = replayed;
        assertEqualJson(
          parseObject(toText(replayed.body)),
          isEmbedding ? expectedEmbeddings(recorded, model, encoding) : withArguments({ ...recorded, model }),
        );
      }
      count(recordedCall, 'exchanges');
      if (isEmbedding) count(recordedCall, 'embeddings');
    });

    test.each(titled(exchanges.filter((recordedCall) => !succeeded(recordedCall))))(
      'error %s',
      async (_, recordedCall) => {
        const { named, generic } = variantsOf(recordedCall.provider);
        const { status } = recordedCall.response;
        const recorded = asObject(responseJson(recordedCall));
        const reason = recorded.error === undefined ? recorded.detail : asObject(recorded.error).message;
        for (const variant of [named, generic]) {
          const replayed = await replay(recordedCall, { variant, body: recordedBody(recordedCall), seed: 1 });
          const answer = toText(replayed.body);
          const error = asObject(parseObject(answer).error);
          expect(answer).not.toContain(PROVIDER_KEY);
          expect(replayed.response.headers.get('x-weir-provider')).toBe(variant.id);
          if (status === 401) {
            expect(replayed.response.status).toBe(502);
            expect(error).toMatchObject({
              type: 'upstream_error',
              code: 'upstream_auth_failed',
              param: null,
            });
          } else if (status >= 500) {
            expect(replayed.response.status).toBe(502);
            expect(error).toMatchObject({ type: 'upstream_error', code: 'upstream_error', param: null });
          } else {
            expect(replayed.response.status).toBe(status);
            assertEqualJson(error, { param: null, ...asObject(recorded.error) });
            continue;
          }
          expect(error.message).toContain(String(reason));
          expect(error.message).toContain(`Provider "${variant.id}"`);
        }
        count(recordedCall, 'exchanges');
        count(recordedCall, 'errors');
      },
    );
  },
);
