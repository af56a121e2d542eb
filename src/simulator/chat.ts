import { invalidRequest } from './api-error.ts';
import {
  type ChatPlan,
  type ChoicePiece,
  type ChoicePlan,
  type FinishReason,
  planChat,
} from './chat-plan.ts';
import { type ChatRequest, parseChatRequest } from './chat-request.ts';
import { usageOf } from './chat-usage.ts';
import { DONE, type Endpoint, type GeneratedResponse, type ResponseEvent } from './generated-response.ts';
import { tokenLogprobs } from './logprobs.ts';
import { hashLabel } from './random.ts';
import type { Turns } from './turns.ts';

const FINGERPRINT = 'fp_simulator';
/** Entries in the log probabilities of a complete response. */
const MAX_LOGPROBS = 50_000;

interface Identity {
  readonly id: string;
  readonly created: number;
}

/** The parts of a request that its response repeats or depends on; the messages are not kept. */
type Settings = Pick<ChatRequest, 'model' | 'logprobs' | 'top_logprobs'> & { readonly withUsage: boolean };

/** `POST /chat/completions`. */
export const chatEndpoint: Endpoint = (body) => {
  const request = parseChatRequest(body);
  return (context) => {
    const plan = planChat(request, {
      options: context.options,
      fault: context.fault,
      seed: String(request.seed ?? context.options.seed ?? hashLabel(JSON.stringify(request.messages))),
      isReasoningModel: context.baseModel.startsWith('simulator-reasoning'),
      randomId: context.randomId,
    });
    const identity = { id: `chatcmpl-${context.randomId()}`, created: context.created };
    const { model, logprobs, top_logprobs } = request;
    const withUsage = request.stream_options?.include_usage === true;
    const settings = { model, logprobs, top_logprobs, withUsage };
    if (request.stream === true) return { kind: 'stream', events: chatEvents(settings, plan, identity) };
    return whole(settings, plan, identity, context.turns);
  };
};

function whole(settings: Settings, plan: ChatPlan, identity: Identity, turns: Turns): GeneratedResponse {
  return {
    kind: 'json',
    async steps() {
      let longest = 0;
      for (const choice of plan.choices) longest = Math.max(longest, await countPieces(choice, turns));
      return longest;
    },
    body: () => completion(settings, plan, identity, turns),
  };
}

async function countPieces(choice: ChoicePlan, turns: Turns): Promise<number> {
  let count = 0;
  for (const _ of choice.generate()) {
    count += 1;
    const turn = turns.next();
    if (turn) await turn;
  }
  return count;
}

async function completion(
  settings: Settings,
  plan: ChatPlan,
  { id, created }: Identity,
  turns: Turns,
): Promise<string> {
  const choices: unknown[] = [];
  let tokens = 0;
  let reasoning = 0;
  for (const [index, choice] of plan.choices.entries()) {
    const message = await collect(settings, choice, turns);
    choices.push(message.toChoice(index));
    tokens += message.tokens;
    reasoning += message.reasoning;
  }
  return JSON.stringify({
    id,
    object: 'chat.completion',
    created,
    model: settings.model,
    choices,
    usage: usageOf(plan.prompt, tokens, reasoning),
    system_fingerprint: FINGERPRINT,
  });
}

async function collect(settings: Settings, choice: ChoicePlan, turns: Turns): Promise<WholeMessage> {
  const message = new WholeMessage(settings, choice);
  const pieces = choice.generate();
  for (let next = pieces.next(); ; next = pieces.next()) {
    if (next.done === true) {
      message.finishReason = next.value;
      return message;
    }
    message.add(next.value);
    const turn = turns.next();
    if (turn) await turn;
  }
}

/** The message of one choice of a complete response. */
class WholeMessage {
  tokens = 0;
  reasoning = 0;
  finishReason: FinishReason = 'stop';
  readonly #reasoning: string[] = [];
  readonly #text: string[] = [];
  readonly #calls: { readonly id: string; readonly name: string; readonly fragments: string[] }[] = [];
  readonly #logprobs: unknown[] = [];

  constructor(
    private readonly settings: Settings,
    private readonly choice: ChoicePlan,
  ) {}

  add(piece: ChoicePiece): void {
    this.tokens += 1;
    switch (piece.kind) {
      case 'reasoning':
        this.reasoning += 1;
        this.#reasoning.push(piece.text);
        break;
      case 'text':
        this.#addText(piece.text);
        break;
      case 'call':
        this.#calls.push({ id: piece.call.id, name: piece.call.name, fragments: [] });
        break;
      case 'fragment':
        this.#calls.at(-1)?.fragments.push(piece.text);
        break;
    }
  }

  #addText(token: string): void {
    if (this.settings.logprobs === true) {
      if (this.#logprobs.length * (1 + (this.settings.top_logprobs ?? 0)) >= MAX_LOGPROBS) {
        throw invalidRequest(
          `The simulator generates at most ${MAX_LOGPROBS} log probabilities for one choice of a response that is not streamed.`,
          'logprobs',
        );
      }
      this.#logprobs.push(logprobEntry(this.settings, this.choice, token, this.#text.length));
    }
    this.#text.push(token);
  }

  toChoice(index: number): Record<string, unknown> {
    const { isRefusal, callsTools } = this.choice;
    const text = this.#text.join('');
    const calls = this.#calls.map(({ id, name, fragments }) => ({
      id,
      type: 'function',
      function: { name, arguments: fragments.join('') },
    }));
    return {
      index,
      message: {
        role: 'assistant',
        content: callsTools || isRefusal ? null : text,
        refusal: isRefusal ? text : null,
        ...(this.#reasoning.length > 0 ? { reasoning_content: this.#reasoning.join('') } : {}),
        ...(callsTools ? { tool_calls: calls } : {}),
        annotations: [],
      },
      logprobs: this.#logprobs.length > 0 ? logprobs(this.choice, this.#logprobs) : null,
      finish_reason: this.finishReason,
    };
  }
}

function logprobs({ isRefusal }: ChoicePlan, entries: readonly unknown[]): Record<string, unknown> {
  return isRefusal ? { content: null, refusal: entries } : { content: entries, refusal: null };
}

function logprobEntry(settings: Settings, choice: ChoicePlan, token: string, place: number): unknown {
  const top = settings.top_logprobs ?? 0;
  const candidates = tokenLogprobs(choice.seed, place, token, top).map(withBytes);
  return { ...candidates[0], top_logprobs: top === 0 ? [] : candidates };
}

function withBytes<T extends { token: string }>(entry: T): T & { bytes: number[] } {
  return { ...entry, bytes: Array.from(new TextEncoder().encode(entry.token)) };
}

/** A choice of which events are left. */
interface OpenChoice {
  readonly index: number;
  readonly choice: ChoicePlan;
  readonly pieces: Iterator<ChoicePiece, FinishReason>;
  /** Tokens of the text so far. */
  place: number;
}

/** Generates the events; the choices advance in parallel, one token each. */
function* chatEvents(
  settings: Settings,
  plan: ChatPlan,
  { id, created }: Identity,
): Generator<ResponseEvent> {
  // Only the delta differs between chunks, so only the delta is serialised.
  const head = `data: {"id":${JSON.stringify(id)},"object":"chat.completion.chunk","created":${created},"model":${JSON.stringify(settings.model)},"system_fingerprint":"${FINGERPRINT}","choices":[`;
  const tail = settings.withUsage ? '],"usage":null}\n\n' : ']}\n\n';
  const chunk = (index: number, delta: string, logprob: string, finish: string) =>
    `${head}{"index":${index},"delta":${delta},"logprobs":${logprob},"finish_reason":${finish}}${tail}`;

  let open: OpenChoice[] = [];
  for (const [index, choice] of plan.choices.entries()) {
    open.push({ index, choice, pieces: choice.generate(), place: 0 });
    const content = choice.callsTools || choice.isRefusal ? 'null' : '""';
    const delta = `{"role":"assistant","content":${content},"refusal":null}`;
    yield { text: chunk(index, delta, 'null', 'null'), step: 0, closing: false };
  }
  let tokens = 0;
  let reasoning = 0;
  let last = 0;
  for (let step = 0; open.length > 0; step += 1) {
    const left: OpenChoice[] = [];
    for (const entry of open) {
      const next = entry.pieces.next();
      if (next.done === true) {
        const finish = JSON.stringify(next.value);
        yield { text: chunk(entry.index, '{}', 'null', finish), step: Math.max(0, step - 1), closing: true };
        continue;
      }
      left.push(entry);
      tokens += 1;
      if (next.value.kind === 'reasoning') reasoning += 1;
      last = step;
      const logprob = deltaLogprobs(settings, entry, next.value);
      yield {
        text: chunk(entry.index, deltaOf(entry.choice, next.value), logprob, 'null'),
        step,
        closing: false,
      };
    }
    open = left;
  }
  if (settings.withUsage) {
    const usage = JSON.stringify(usageOf(plan.prompt, tokens, reasoning));
    yield { text: `${head}],"usage":${usage}}\n\n`, step: last, closing: true };
  }
  yield { text: DONE, step: last, closing: true };
}

/** @returns the delta of one token as JSON text */
function deltaOf({ isRefusal }: ChoicePlan, piece: ChoicePiece): string {
  switch (piece.kind) {
    case 'reasoning':
      return `{"reasoning_content":${JSON.stringify(piece.text)}}`;
    case 'text':
      return `{"${isRefusal ? 'refusal' : 'content'}":${JSON.stringify(piece.text)}}`;
    case 'call': {
      const { id, name } = piece.call;
      const call = { index: piece.index, id, type: 'function', function: { name, arguments: '' } };
      return `{"tool_calls":[${JSON.stringify(call)}]}`;
    }
    case 'fragment':
      return `{"tool_calls":[{"index":${piece.index},"function":{"arguments":${JSON.stringify(piece.text)}}}]}`;
  }
}

function deltaLogprobs(settings: Settings, entry: OpenChoice, piece: ChoicePiece): string {
  if (piece.kind !== 'text') return 'null';
  const place = entry.place;
  entry.place += 1;
  if (settings.logprobs !== true) return 'null';
  return JSON.stringify(logprobs(entry.choice, [logprobEntry(settings, entry.choice, piece.text, place)]));
}
