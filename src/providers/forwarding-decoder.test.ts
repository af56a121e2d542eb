import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { readMessageEvents } from '../../test/compat/readers/anthropic.ts';
import { readChatChunks } from '../../test/compat/readers/openai-chat.ts';
import { readResponseEvents } from '../../test/compat/readers/responses.ts';
import { chatResult, type Expressible } from '../../test/properties/arbitraries.ts';
import { eventsOf } from '../../test/properties/events.ts';
import { STREAMS } from '../../test/properties/streams.ts';
import { joinBytes, toBytes } from '../../test/support/bytes.ts';
import { readEvents } from '../../test/support/chat-events.ts';
import { runs } from '../../test/support/effort.ts';
import { eventJson } from '../../test/support/event-stream.ts';
import { settle } from '../../test/support/fake-clock.ts';
import { FakeTransport } from '../../test/support/fake-transport.ts';
import { testCall, testContext, testProvider, testTarget } from '../../test/support/inference.ts';
import { anthropicMessagesDialect } from '../api/anthropic/dialect.ts';
import { openAiChatDialect } from '../api/openai/chat/dialect.ts';
import { responsesDialect } from '../api/openai/responses/dialect.ts';
import type { ClientDialect } from '../core/chat/dialect.ts';
import type { ChatEvent, ChatEventWriter } from '../core/chat/result.ts';
import type { GatewayError } from '../core/errors.ts';
import { MAX_EVENT_BYTES } from '../core/sse.ts';
import type { Frame, FrameSink, StreamMode } from '../core/stream/frame.ts';
import { isConnectable } from '../core/stream/frame-stream.ts';
import { Attempt } from '../dispatch/attempt.ts';
import type { AttemptEnd } from '../dispatch/attempt-options.ts';
import { DeadlineMonitor } from '../dispatch/deadlines.ts';
import { openAiErrorEvent } from '../http/error-body.ts';
import { StreamRenderer } from '../pipeline/stream-renderer.ts';
import { createAdapter } from './adapter.ts';
import { anthropicAdapter, anthropicChatFormat } from './anthropic/index.ts';
import type { ChatFormat } from './format.ts';
import { openAiCompatibleAdapter } from './openai-compatible/adapter.ts';
import { openAiChatFormat } from './openai-compatible/chat-format.ts';
import { responsesChatFormat, responsesPassthrough } from './openai-responses/index.ts';
import type { ProviderAdapter } from './types.ts';

/** Streams that are forwarded, in all modes: what interceptors see of them, and what the client receives. */

interface Wire {
  readonly dialect: ClientDialect;
  readonly adapter: ProviderAdapter;
  readonly format: ChatFormat;
  readonly sample: readonly Uint8Array[];
  readonly read: (events: readonly unknown[]) => { readonly text: string };
  readonly request: Readonly<Record<string, unknown>>;
}

const messages = [{ role: 'user', content: 'Hi' }];

const WIRES: Readonly<Record<string, Wire>> = {
  'OpenAI chat': {
    dialect: openAiChatDialect,
    adapter: openAiCompatibleAdapter,
    format: openAiChatFormat(() => 'http://up.test/chat/completions'),
    sample: STREAMS['OpenAI chat'],
    read: readChatChunks,
    request: { model: 'm', stream: true, stream_options: { include_usage: true }, messages },
  },
  'Anthropic messages': {
    dialect: anthropicMessagesDialect,
    adapter: anthropicAdapter,
    format: anthropicChatFormat,
    sample: STREAMS['Anthropic messages'],
    read: readMessageEvents,
    request: { model: 'm', stream: true, max_tokens: 10, messages },
  },
  'OpenAI responses': {
    dialect: responsesDialect(),
    adapter: createAdapter({
      kind: 'openai',
      authorize: (request) => request,
      mapError: openAiCompatibleAdapter.mapError,
      chat: responsesChatFormat,
      passthrough: (name) => (name === responsesDialect().name ? responsesPassthrough : undefined),
    }),
    format: responsesChatFormat,
    sample: STREAMS['OpenAI responses'],
    read: readResponseEvents,
    request: { model: 'm', stream: true, input: 'Hi' },
  },
};

const CAN: Expressible = {
  anyOrder: false,
  finishes: ['stop', 'length'],
  origins: ['other'],
  usage: [],
  anyArguments: false,
  richToolResults: false,
  imageDetail: false,
  parameters: [],
  toolStrict: 'never',
};

type OnFrame = (frame: Frame, out: FrameSink) => void;

const same: OnFrame = (frame, out) => out.write(frame);

interface Received {
  readonly body: Uint8Array;
  readonly frames: readonly Frame[];
  readonly end: AttemptEnd | undefined;
  readonly error: GatewayError | undefined;
}

function callOf({ dialect, request }: Wire) {
  return testCall(request, {
    dialect,
    chat: () => dialect.toChat(request),
    view: () => dialect.requestView(request),
    includesStreamUsage: true,
  });
}

function writerOf(wire: Wire): ChatEventWriter {
  return wire.dialect.streamWriter({
    model: 'm',
    requestId: 'req_1',
    createdSeconds: 7,
    includesStreamUsage: true,
    body: wire.request,
  });
}

/** Forwards an upstream's pieces through a real attempt, stages and the renderer. */
async function forward(
  wire: Wire,
  mode: StreamMode,
  pieces: readonly Uint8Array[],
  ...stages: readonly OnFrame[]
): Promise<Received> {
  const transport = new FakeTransport();
  const target = testTarget(testProvider({ adapter: wire.adapter, transport }), 'm');
  const ends: AttemptEnd[] = [];
  const attempt = new Attempt({
    call: callOf(wire),
    target,
    context: testContext(),
    streamMode: mode,
    now: () => 0,
    deadlines: new DeadlineMonitor(() => 0),
    firstTokenMs: 1_000,
    streamIdleMs: 1_000,
    deadlineAt: 10_000,
    onFirstEvent: () => undefined,
    onEnd: (end) => ends.push(end),
  });
  const responding = attempt.response.then(
    ({ body }) => body,
    (error: GatewayError) => error,
  );
  attempt.start();
  const upstreamCall = transport.last;
  const answering = async () => {
    while (upstreamCall.paused) await settle();
    return upstreamCall.state === 'answering';
  };
  const sending = (async () => {
    upstreamCall.head();
    for (const piece of pieces) if (await answering()) upstreamCall.data(piece);
    if (await answering()) upstreamCall.end();
  })();
  const body = await responding;
  if (!('kind' in body)) return { body: new Uint8Array(0), frames: [], end: ends[0], error: body };
  if (body.kind !== 'stream') throw new TypeError('a stream is expected');
  const frames: Frame[] = [];
  let { stream } = body;
  for (const frame of stages) stream = stream.through({ frame, end: () => undefined });
  stream = stream.through({
    frame: (frame, out) => {
      frames.push(frame);
      out.write(frame);
    },
    end: () => undefined,
  });
  if (!isConnectable(stream)) throw new TypeError('a stream of the gateway is expected');
  let error: GatewayError | undefined;
  const renderer = new StreamRenderer({
    stream,
    writer: mode === 'rewrite' ? writerOf(wire) : undefined,
    renderStreamError: openAiErrorEvent,
    endOf: (end) => end,
    onLateError: (late) => {
      throw late;
    },
    onEnd: (end) => {
      if (end.kind === 'failed') ({ error } = end);
    },
  });
  const chunks: Uint8Array[] = [];
  for await (const chunk of renderer.body.readable()) chunks.push(chunk);
  await sending;
  return { body: joinBytes(chunks), frames, end: ends[0], error };
}

const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 });

function cutAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = cuts.map((share) => Math.floor(share * bytes.length)).sort((a, b) => a - b);
  return [0, ...places].map((start, index) => bytes.slice(start, places[index] ?? bytes.length));
}

/** A stream as the format's upstreams write it. */
function generated(wire: Wire): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(chatResult(CAN), fc.integer({ min: 1, max: 9 }), fc.boolean())
    .map(([result, size, pings]) => {
      const content = result.choices[0]?.content.filter(({ type }) => type !== 'reasoning') ?? [];
      const [choice] = result.choices;
      if (!choice) throw new TypeError('a choice is expected');
      const answer = content.length > 0 ? content : [{ type: 'text' as const, text: 'x' }];
      const writer = writerOf(wire);
      const events = eventsOf({ ...result, choices: [{ ...choice, content: answer }] }, size);
      return joinBytes(events.map((event) => toBytes(writer.event(event) + (pings ? ': ping\n\n' : ''))));
    });
}

describe.each(Object.entries(WIRES))('a forwarded stream of %s', (_, wire) => {
  const input = fc.oneof(generated(wire), fc.constant(joinBytes(wire.sample)));
  const target = testTarget(testProvider({ adapter: wire.adapter }), 'm');
  const readerEvents = (bytes: Uint8Array) =>
    readEvents(wire.format.reader(target, callOf(wire).chat()), [bytes]).events;
  const eventsIn = (frames: readonly Frame[]): ChatEvent[] => frames.flatMap(({ events }) => [...events]);

  test('has the same bytes in all modes, however it is cut, and the events of the format’s reader', async () => {
    await fc.assert(
      fc.asyncProperty(input, shares, async (bytes, cuts) => {
        const plain = await forward(wire, 'bytes', [bytes]);
        expect(plain.end?.kind).toBe('done');
        for (const mode of ['bytes', 'observe', 'rewrite'] as const) {
          const { body, frames, end } = await forward(wire, mode, cutAt(bytes, cuts), same);
          expect(new TextDecoder().decode(body)).toBe(new TextDecoder().decode(plain.body));
          expect(end?.kind).toBe('done');
          expect(frames.filter(({ isLast }) => isLast).length).toBe(1);
          if (mode !== 'bytes') expect(eventsIn(frames)).toEqual(readerEvents(bytes));
        }
      }),
      { numRuns: runs(60) },
    );
  });

  test('changes only the frame of a delta that is edited, and keeps its official shape', async () => {
    await fc.assert(
      fc.asyncProperty(input, fc.nat(30), async (bytes, at) => {
        const unchanged = await forward(wire, 'rewrite', [bytes]);
        const isText = textFrames();
        const texts = unchanged.frames.filter((frame) => isText(frame));
        const edited = at % Math.max(1, texts.length);
        let seen = 0;
        const isTextNow = textFrames();
        const { body, frames, error } = await forward(wire, 'rewrite', [bytes], (frame, out) => {
          if (!isTextNow(frame) || seen++ !== edited) {
            out.write(frame);
            return;
          }
          const events = frame.events.map((event) =>
            event.type === 'delta' ? { ...event, text: '[cut]' } : event,
          );
          out.write({ events, ...(frame.isLast === undefined ? {} : { isLast: frame.isLast }) });
        });
        expect(error).toBeUndefined();
        expect(frames.filter(({ bytes: own }) => own === undefined).length).toBe(texts.length > 0 ? 1 : 0);
        expect(frames.filter(({ bytes: own }) => own !== undefined)).toEqual(
          unchanged.frames.filter((frame) => frame !== texts[edited]),
        );
        const before = wire.read(eventJson(unchanged.body));
        const after = wire.read(eventJson(body));
        expect({ ...after, text: '' }).toEqual({ ...before, text: '' });
        if (texts.length > 0) expect(after.text).toContain('[cut]');
      }),
      { numRuns: runs(60) },
    );
  });

  test('that is cut off or damaged never ends well in one mode and badly in another', async () => {
    await fc.assert(
      fc.asyncProperty(
        input,
        shares,
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (bytes, cuts, share) => {
          const part = bytes.slice(0, Math.floor(share * bytes.length));
          const kinds = [];
          for (const mode of ['bytes', 'observe', 'rewrite'] as const) {
            const { end, error } = await forward(wire, mode, cutAt(part, cuts), same);
            kinds.push(end?.kind);
            expect(error === undefined).toBe(end?.kind === 'done');
          }
          expect(new Set(kinds).size).toBe(1);
        },
      ),
      { numRuns: runs(60) },
    );
  });

  test('with an event that is too large fails in all modes', async () => {
    const [first] = wire.sample;
    const half = new Uint8Array(MAX_EVENT_BYTES / 2 + 1).fill(65);
    const pieces = [first ?? half, toBytes('data: '), half, half, toBytes('\n\n'), ...wire.sample.slice(1)];
    for (const mode of ['bytes', 'observe', 'rewrite'] as const) {
      const { end, error } = await forward(wire, mode, pieces, same);
      expect(end?.kind).toBe('failed');
      expect(error?.code).toBe('upstream_invalid_response');
    }
  });
});

/** Finds frames that hold nothing but deltas of text. */
function textFrames(): (frame: Frame) => boolean {
  let isOpen = false;
  return ({ events }) => {
    const wasOpen = isOpen;
    for (const event of events) {
      if (event.type === 'part-start') isOpen = event.part.type === 'text';
      else if (event.type === 'part-end') isOpen = false;
    }
    return wasOpen && events.length > 0 && events.every(({ type }) => type === 'delta');
  };
}
