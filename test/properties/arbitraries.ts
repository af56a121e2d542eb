import fc from 'fast-check';
import type {
  AssistantPart,
  ChatRequest,
  FunctionTool,
  Message,
  Origin,
  ReasoningPart,
  ToolCallPart,
  UserPart,
} from '../../src/core/chat/request.ts';
import type { ChatResult, UnifiedFinish } from '../../src/core/chat/result.ts';
import type { Usage } from '../../src/core/usage.ts';

/** What one wire format can say, so that only that is generated for it. */
export interface Expressible {
  /** Parts of an answer may come in any order; else reasoning, then text, then tool calls. */
  readonly anyOrder: boolean;
  readonly finishes: readonly UnifiedFinish[];
  /** Whose signatures on reasoning it can hold and hand back to a provider of its own. */
  readonly origins: readonly Origin[];
  readonly usage: readonly ('cachedInputTokens' | 'cacheWriteTokens' | 'reasoningTokens')[];
  /** Free text as a tool's arguments; else a JSON object. */
  readonly anyArguments: boolean;
  /** Pictures and failure marks in tool results. */
  readonly richToolResults: boolean;
  /** Pictures say how closely to look. */
  readonly imageDetail: boolean;
  readonly parameters: readonly (keyof ChatRequest)[];
  readonly toolStrict: 'never' | 'sometimes' | 'always';
}

export const text = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
  .filter((value) => value.trim() !== '');
const name = fc.stringMatching(/^[a-z][a-z_0-9]{0,15}$/);
const id = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{4,20}$/);
const object = fc.dictionary(
  fc.stringMatching(/^[a-z]{1,6}$/),
  fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer(), fc.boolean(), fc.constant(null)),
  { maxKeys: 4 },
);
export const ANY_ORIGIN: readonly Origin[] = ['anthropic', 'openai', 'gemini', 'bedrock', 'other'];

function reasoning({ origins }: Expressible): fc.Arbitrary<ReasoningPart> {
  const signature = fc.record({
    origin: fc.constantFrom(...origins),
    value: fc.base64String({ minLength: 4, maxLength: 40 }),
  });
  const plain = text.map((value): ReasoningPart => ({ type: 'reasoning', text: value }));
  return fc.tuple(plain, signature).map(([part, signed]) => ({ ...part, signature: signed }));
}

function toolCall({ anyArguments }: Expressible): fc.Arbitrary<ToolCallPart> {
  const json = object.map((value) => JSON.stringify(value));
  return fc.record({
    type: fc.constant('tool-call' as const),
    id,
    name,
    arguments: anyArguments ? fc.oneof(json, fc.constantFrom('{"a": 1 ,"b":[ ]}', '{"half": "op')) : json,
  });
}

function distinctIds(parts: readonly AssistantPart[]): boolean {
  const ids = parts.flatMap((part) => (part.type === 'tool-call' ? [part.id] : []));
  return new Set(ids).size === ids.length;
}

/** Parts of an assistant's message, at least one; two texts never touch, since no format keeps them apart. */
export function assistantParts(can: Expressible): fc.Arbitrary<AssistantPart[]> {
  const said = text.map((value): AssistantPart => ({ type: 'text', text: value }));
  const ordered = fc
    .tuple(
      fc.option(reasoning(can), { nil: undefined }),
      fc.option(said, { nil: undefined }),
      fc.array(toolCall(can), { maxLength: 3 }),
    )
    .map(([thought, words, calls]) => [thought, words, ...calls].filter((part) => part !== undefined));
  const mixed = fc
    .array(fc.oneof(reasoning(can), said, toolCall(can)), { minLength: 1, maxLength: 6 })
    .filter((parts) =>
      parts.every((part, index) => part.type !== parts[index - 1]?.type || part.type === 'tool-call'),
    );
  return (can.anyOrder ? fc.oneof(ordered, mixed) : ordered).filter(
    // Thinking leads to something.
    (parts) => parts.length > 0 && parts.at(-1)?.type !== 'reasoning' && distinctIds(parts),
  );
}

function usage(can: Expressible): fc.Arbitrary<Usage> {
  const count = fc.nat(100_000);
  return fc
    .record({
      fresh: count,
      answer: count,
      cachedInputTokens: count,
      cacheWriteTokens: count,
      reasoningTokens: count,
    })
    .map(({ fresh, answer, ...details }) => {
      const known = Object.fromEntries(can.usage.map((key) => [key, details[key]]));
      return {
        inputTokens: fresh + (known.cachedInputTokens ?? 0) + (known.cacheWriteTokens ?? 0),
        outputTokens: answer + (known.reasoningTokens ?? 0),
        ...known,
        raw: {},
      };
    });
}

export function chatResult(can: Expressible): fc.Arbitrary<ChatResult> {
  return fc
    .record({
      id,
      created: fc.integer({ min: 1_600_000_000, max: 1_900_000_000 }),
      content: assistantParts(can),
      finish: fc.constantFrom(...can.finishes),
      usage: usage(can),
    })
    .map(({ id: answerId, created, content, finish, usage: counted }) => {
      const calls = content.some(({ type }) => type === 'tool-call');
      const unified = calls ? 'tool-calls' : finish;
      return {
        id: answerId,
        created,
        model: 'm',
        choices: [{ index: 0, content, finish: { unified } }],
        usage: counted,
      };
    });
}

function userPart({ imageDetail }: Expressible): fc.Arbitrary<UserPart> {
  const detail = imageDetail ? { detail: 'high' } : {};
  return fc.oneof(
    { weight: 3, arbitrary: text.map((value): UserPart => ({ type: 'text', text: value })) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<UserPart>(
        { type: 'image', source: { kind: 'url', url: 'https://pictures.test/a.png' }, ...detail },
        { type: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'aGVsbG8=' }, ...detail },
      ),
    },
  );
}

/** A user's turn, the assistant's answer to it, and the results of all calls in it. */
function turn(can: Expressible): fc.Arbitrary<Message[]> {
  return fc
    .tuple(
      fc.array(userPart(can), { minLength: 1, maxLength: 3 }),
      assistantParts(can),
      fc.array(text, { minLength: 3, maxLength: 3 }),
      fc.boolean(),
    )
    .map(([asked, answered, results, failed]) => {
      const calls = answered.flatMap((part) => (part.type === 'tool-call' ? [part] : []));
      const user: Message = { role: 'user', content: asked };
      const assistant: Message = { role: 'assistant', content: answered };
      if (calls.length === 0) return [user, assistant];
      const tool: Message = {
        role: 'tool',
        content: calls.map(({ id: callId }, index) => ({
          type: 'tool-result' as const,
          callId,
          content: [{ type: 'text' as const, text: results[index] ?? 'ok' }],
          ...(can.richToolResults && failed ? { isError: true } : {}),
        })),
      };
      return [user, assistant, tool];
    });
}

function tools(can: Expressible): fc.Arbitrary<FunctionTool[]> {
  const tool = fc.record(
    {
      type: fc.constant('function' as const),
      name,
      description: text,
      parameters: fc.constant({ type: 'object', properties: { a: { type: 'string' } }, required: ['a'] }),
      ...(can.toolStrict === 'never' ? {} : { strict: fc.boolean() }),
    },
    {
      requiredKeys: [
        'type',
        'name',
        'parameters',
        ...(can.toolStrict === 'always' ? (['strict'] as const) : []),
      ],
    },
  );
  return fc.uniqueArray(tool, { minLength: 1, maxLength: 3, selector: (one) => one.name });
}

export function chatRequest(can: Expressible): fc.Arbitrary<ChatRequest> {
  const parameters = fc.record(
    {
      maxOutputTokens: fc.integer({ min: 16, max: 100_000 }),
      temperature: fc.integer({ min: 0, max: 10 }).map((tenths) => tenths / 10),
      topP: fc.integer({ min: 1, max: 10 }).map((tenths) => tenths / 10),
      topK: fc.integer({ min: 1, max: 100 }),
      frequencyPenalty: fc.integer({ min: -20, max: 20 }).map((tenths) => tenths / 10),
      presencePenalty: fc.integer({ min: -20, max: 20 }).map((tenths) => tenths / 10),
      seed: fc.nat(),
      stopSequences: fc.array(text, { minLength: 1, maxLength: 4 }),
      parallelToolCalls: fc.boolean(),
      user: name,
    },
    { requiredKeys: ['maxOutputTokens'] },
  );
  return fc
    .record({
      system: fc.option(text, { nil: undefined }),
      turns: fc.array(turn(can), { maxLength: 3 }),
      last: fc.array(userPart(can), { minLength: 1, maxLength: 3 }),
      tools: tools(can),
      choice: fc.constantFrom(
        'auto' as const,
        'none' as const,
        'required' as const,
        'tool' as const,
        undefined,
      ),
      parameters,
    })
    .map(({ system, turns, last, tools: offered, choice, parameters: given }): ChatRequest => {
      const known = Object.fromEntries(
        Object.entries(given).filter(([key]) => can.parameters.some((parameter) => parameter === key)),
      );
      const { parallelToolCalls, ...rest } = known;
      return {
        messages: [
          ...(system === undefined
            ? []
            : [{ role: 'system' as const, content: [{ type: 'text' as const, text: system }] }]),
          ...turns.flat(),
          { role: 'user', content: last },
        ],
        tools: offered,
        ...(choice === undefined
          ? {}
          : {
              toolChoice:
                choice === 'tool' ? { type: choice, name: offered[0]?.name ?? '' } : { type: choice },
            }),
        ...rest,
        ...(typeof parallelToolCalls === 'boolean' ? { parallelToolCalls } : {}),
      };
    })
    .filter(({ messages }) => {
      const ids = messages.flatMap((message) =>
        message.role === 'assistant'
          ? message.content.flatMap((part) => (part.type === 'tool-call' ? [part.id] : []))
          : [],
      );
      return new Set(ids).size === ids.length;
    });
}
