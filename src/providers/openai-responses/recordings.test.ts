import { expect, test } from 'bun:test';
import { splitAtRandom, toBytes, toText } from '../../../test/support/bytes.ts';
import { expectEventRules, readEvents } from '../../../test/support/chat-events.ts';
import { describeRecordings } from '../../../test/support/describe-recordings.ts';
import { isEventStream, type RecordedCall, recordedCallTitle } from '../../../test/support/recordings.ts';
import type { AssistantPart } from '../../core/chat/request.ts';
import type { ChatEvent, FinishReason } from '../../core/chat/result.ts';
import type { Usage } from '../../core/usage.ts';
import { errorFromResponses, responsesChatFormat, responsesPassthrough } from './index.ts';
import { attemptContext, responsesCall, responsesTarget } from './test-support.ts';

// Small readers of the recorded bodies that share nothing with the code under test.
// biome-ignore lint/suspicious/noExplicitAny: recorded JSON, looked into freely
type Loose = any;

interface Said {
  text: string;
  refusal: string;
  reasoning: string[];
  encrypted: string[];
  calls: [id: string, name: string, args: string][];
  finish: string;
  usage: number[];
}

function saidBy(response: Loose): Said {
  const items: Loose[] = response.output;
  const content = items.filter((item) => item.type === 'message').flatMap((item) => item.content);
  const reasoning = items.filter((item) => item.type === 'reasoning');
  const calls = items.filter((item) => item.type === 'function_call');
  const { usage } = response;
  return {
    text: content.map((part) => part.text ?? '').join(''),
    refusal: content.map((part) => part.refusal ?? '').join(''),
    reasoning: reasoning.flatMap((item) => item.summary.map((part: Loose) => part.text)),
    encrypted: reasoning.flatMap((item) => item.encrypted_content ?? []),
    calls: calls.map((item) => [item.call_id, item.name, item.arguments]),
    finish: response.status === 'incomplete' ? 'length' : calls.length > 0 ? 'tool-calls' : 'stop',
    usage: [
      usage.input_tokens,
      usage.output_tokens,
      usage.input_tokens_details.cached_tokens,
      usage.output_tokens_details.reasoning_tokens,
    ],
  };
}

function recordedEvents(recordedCall: RecordedCall): Loose[] {
  return toText(recordedCall.response.body)
    .replaceAll('\r', '')
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)));
}

/** What the stream says in its `done` events, and at its end. */
function saidByStream(events: Loose[]): Said {
  const items = events.filter(({ type }) => type === 'response.output_item.done').map(({ item }) => item);
  const { response } = events.at(-1);
  return saidBy({ ...response, output: items });
}

function readParts(
  parts: readonly AssistantPart[],
  finish: FinishReason | undefined,
  usage: Usage | undefined,
) {
  const said: Said = {
    text: '',
    refusal: '',
    reasoning: [],
    encrypted: [],
    calls: [],
    finish: '',
    usage: [],
  };
  for (const part of parts) {
    if (part.type === 'text') said.text += part.text;
    else if (part.type === 'refusal') said.refusal += part.text;
    else if (part.type === 'tool-call') said.calls.push([part.id, part.name, part.arguments]);
    else if (part.type === 'reasoning') {
      if (part.text !== '') said.reasoning.push(part.text);
      const signature = part.signature ?? part.redacted;
      if (signature?.value) said.encrypted.push(signature.value);
    }
  }
  said.finish = finish?.unified ?? '';
  said.usage = [
    usage?.inputTokens ?? Number.NaN,
    usage?.outputTokens ?? Number.NaN,
    usage?.cachedInputTokens ?? Number.NaN,
    usage?.reasoningTokens ?? Number.NaN,
  ];
  return said;
}

/** Parts as the events have told them. */
function partsOfEvents(events: readonly ChatEvent[]): AssistantPart[] {
  const parts: AssistantPart[] = [];
  for (const event of events) {
    const last = parts.at(-1);
    if (event.type === 'part-start') {
      const { part } = event;
      if (part.type === 'whole') parts.push(part.part);
      else if (part.type === 'tool-call') parts.push({ ...part, arguments: '' });
      else parts.push({ ...part, text: '' });
    } else if (event.type === 'delta' && last) {
      if (last.type === 'tool-call')
        parts[parts.length - 1] = { ...last, arguments: last.arguments + event.text };
      else if ('text' in last) parts[parts.length - 1] = { ...last, text: last.text + event.text };
    } else if (event.type === 'signature' && last?.type === 'reasoning') {
      parts[parts.length - 1] = { ...last, signature: event.signature };
    }
  }
  return parts;
}

const target = responsesTarget();
const request = { messages: [] };

const ok = (recordedCall: RecordedCall) => recordedCall.response.status === 200;

describeRecordings(
  'recorded responses, whole',
  {
    providers: ['openai', 'xai'],
    pathEndsWith: '/responses',
    where: (recordedCall) => ok(recordedCall) && !isEventStream(recordedCall),
  },
  (recordedCalls) => {
    test.each(recordedCalls.map((recordedCall) => [recordedCallTitle(recordedCall), recordedCall] as const))(
      '%s',
      (_, recordedCall) => {
        const { status, body } = recordedCall.response;
        const recorded: Loose = JSON.parse(toText(body));
        const response = { status, headers: new Headers(), body: toBytes(body) };
        const result = responsesChatFormat.parse(response, target, request);
        const [choice] = result.choices;
        expect(readParts(choice?.content ?? [], choice?.finish, result.usage)).toEqual(saidBy(recorded));
        expect([result.id, result.model, result.usage?.raw]).toEqual([
          recorded.id,
          recorded.model,
          recorded.usage,
        ]);

        const handedOn = responsesPassthrough.parse(
          response,
          responsesCall({ model: 'asked' }),
          target,
          attemptContext(),
        );
        expect(JSON.parse(handedOn.text)).toEqual({ ...recorded, model: 'asked' });
      },
    );
  },
);

describeRecordings(
  'recorded responses, streamed',
  {
    providers: ['openai', 'xai'],
    pathEndsWith: '/responses',
    where: (recordedCall) => ok(recordedCall) && isEventStream(recordedCall),
  },
  (recordedCalls) => {
    test.each(recordedCalls.map((recordedCall) => [recordedCallTitle(recordedCall), recordedCall] as const))(
      '%s',
      (_, recordedCall) => {
        const { body } = recordedCall.response;
        const recorded = recordedEvents(recordedCall);
        const whole = readEvents(responsesChatFormat.reader(target, request), [body]);
        expect(whole.error).toBeUndefined();
        expectEventRules(whole.events, true);
        for (let seed = 0; seed < 5; seed += 1) {
          const split = readEvents(responsesChatFormat.reader(target, request), splitAtRandom(body, seed));
          expect(split.events.filter(({ type }) => type !== 'ping')).toEqual(
            whole.events.filter(({ type }) => type !== 'ping'),
          );
        }
        const finish = whole.events.find((event) => event.type === 'finish')?.finish;
        const usage = whole.events.find((event) => event.type === 'usage')?.usage;
        const said = saidByStream(recorded);
        expect(readParts(partsOfEvents(whole.events), finish, usage)).toEqual(said);
        expect(said.text).toBe(
          recorded
            .filter(({ type }) => type === 'response.output_text.delta')
            .map(({ delta }) => delta)
            .join(''),
        );
      },
    );

    test.each(recordedCalls.map((recordedCall) => [recordedCallTitle(recordedCall), recordedCall] as const))(
      'forwarded: %s',
      (_, recordedCall) => {
        const { body } = recordedCall.response;
        const recorded = recordedEvents(recordedCall);
        for (let seed = 0; seed < 3; seed += 1) {
          const decoder = responsesPassthrough.decoder(
            responsesCall({ model: 'asked' }),
            target,
            attemptContext(),
          );
          let out = '';
          for (const piece of splitAtRandom(body, seed)) out += toText(decoder.push(toBytes(piece)));
          out += toText(decoder.end());
          expect([decoder.failure, decoder.finished, decoder.started]).toEqual([undefined, true, true]);
          const { response } = recorded.at(-1);
          expect(decoder.observed.usage?.raw).toEqual(response.usage);
          const model = JSON.stringify(response.model);
          expect(out).toBe(
            toText(body)
              .split('\n')
              .map((line) =>
                line.includes('"response":{') ? line.replaceAll(`"model":${model}`, '"model":"asked"') : line,
              )
              .join('\n'),
          );
        }
      },
    );
  },
);

describeRecordings(
  'recorded refusals of responses',
  { providers: ['openai', 'xai'], pathEndsWith: '/responses', where: (recordedCall) => !ok(recordedCall) },
  (recordedCalls) => {
    test.each(recordedCalls.map((recordedCall) => [recordedCallTitle(recordedCall), recordedCall] as const))(
      '%s',
      (_, recordedCall) => {
        const recorded: Loose = JSON.parse(toText(recordedCall.response.body));
        const error = errorFromResponses(recorded, target.provider);
        expect(error.message).toContain(recorded.error.message ?? recorded.error);
        expect(error.code).toBe('upstream_rejected');
      },
    );
  },
);
