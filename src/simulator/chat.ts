import { type ChatPlan, type ChoicePlan, choiceTokens, planChat } from './chat-plan.ts';
import { type ChatRequest, parseChatRequest } from './chat-request.ts';
import { DONE, type Endpoint, type GeneratedResponse, type ResponseEvent } from './generated-response.ts';
import { tokenLogprobs } from './logprobs.ts';
import { hashLabel } from './random.ts';

const FINGERPRINT = 'fp_simulator';

interface Identity {
  readonly id: string;
  readonly created: number;
}

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
    return request.stream === true ? streamed(request, plan, identity) : whole(request, plan, identity);
  };
};

function whole(request: ChatRequest, plan: ChatPlan, { id, created }: Identity): GeneratedResponse {
  const body = JSON.stringify({
    id,
    object: 'chat.completion',
    created,
    model: request.model,
    choices: plan.choices.map((choice, index) => ({
      index,
      message: message(choice),
      logprobs: wholeLogprobs(request, choice),
      finish_reason: choice.finishReason,
    })),
    usage: plan.usage,
    system_fingerprint: FINGERPRINT,
  });
  return { kind: 'json', body, steps: Math.max(...plan.choices.map(choiceTokens)) };
}

function message(choice: ChoicePlan): Record<string, unknown> {
  const text = choice.text.join('');
  const calls = choice.toolCalls.map(({ id, name, fragments }) => ({
    id,
    type: 'function',
    function: { name, arguments: fragments.join('') },
  }));
  return {
    role: 'assistant',
    content: calls.length > 0 || choice.isRefusal ? null : text,
    refusal: choice.isRefusal ? text : null,
    ...(choice.reasoning.length > 0 ? { reasoning_content: choice.reasoning.join('') } : {}),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    annotations: [],
  };
}

function wholeLogprobs(request: ChatRequest, choice: ChoicePlan): Record<string, unknown> | null {
  if (request.logprobs !== true || choice.text.length === 0) return null;
  const entries = choice.text.map((token, place) => logprobEntry(request, choice, token, place));
  return choice.isRefusal ? { content: null, refusal: entries } : { content: entries, refusal: null };
}

function logprobEntry(request: ChatRequest, choice: ChoicePlan, token: string, place: number): unknown {
  const top = request.top_logprobs ?? 0;
  const candidates = tokenLogprobs(choice.seed, place, token, top).map(withBytes);
  return { ...candidates[0], top_logprobs: top === 0 ? [] : candidates };
}

function withBytes<T extends { token: string }>(entry: T): T & { bytes: number[] } {
  return { ...entry, bytes: Array.from(new TextEncoder().encode(entry.token)) };
}

function streamed(request: ChatRequest, plan: ChatPlan, identity: Identity): GeneratedResponse {
  return { kind: 'stream', events: chatEvents(request, plan, identity) };
}

/** Generates the events; the choices advance in parallel, one token each. */
function* chatEvents(
  request: ChatRequest,
  plan: ChatPlan,
  { id, created }: Identity,
): Generator<ResponseEvent> {
  const withUsage = request.stream_options?.include_usage === true;
  // Only the delta differs between chunks, so only the delta is serialised.
  const head = `data: {"id":${JSON.stringify(id)},"object":"chat.completion.chunk","created":${created},"model":${JSON.stringify(request.model)},"system_fingerprint":"${FINGERPRINT}","choices":[`;
  const tail = withUsage ? '],"usage":null}\n\n' : ']}\n\n';
  const chunk = (index: number, delta: string, logprobs: string, finish: string) =>
    `${head}{"index":${index},"delta":${delta},"logprobs":${logprobs},"finish_reason":${finish}}${tail}`;

  const open: { index: number; choice: ChoicePlan; deltas: Iterator<Delta> }[] = [];
  for (const [index, choice] of plan.choices.entries()) {
    open.push({ index, choice, deltas: deltas(request, choice) });
    const content = choice.toolCalls.length > 0 || choice.isRefusal ? 'null' : '""';
    const delta = `{"role":"assistant","content":${content},"refusal":null}`;
    yield { text: chunk(index, delta, 'null', 'null'), step: 0, closing: false };
  }
  for (let step = 0; open.length > 0; step++) {
    for (const entry of open.slice()) {
      const { value, done } = entry.deltas.next();
      if (done === true) {
        open.splice(open.indexOf(entry), 1);
        const finish = JSON.stringify(entry.choice.finishReason);
        yield { text: chunk(entry.index, '{}', 'null', finish), step: Math.max(0, step - 1), closing: true };
      } else {
        yield { text: chunk(entry.index, value.delta, value.logprobs, 'null'), step, closing: false };
      }
    }
  }
  const step = Math.max(0, Math.max(...plan.choices.map(choiceTokens)) - 1);
  if (withUsage) yield { text: `${head}],"usage":${JSON.stringify(plan.usage)}}\n\n`, step, closing: true };
  yield { text: DONE, step, closing: true };
}

interface Delta {
  readonly delta: string;
  readonly logprobs: string;
}

/** @returns the deltas of one choice as JSON, one per token */
function* deltas(request: ChatRequest, choice: ChoicePlan): Generator<Delta, undefined> {
  for (const token of choice.reasoning) {
    yield { delta: `{"reasoning_content":${JSON.stringify(token)}}`, logprobs: 'null' };
  }
  const field = choice.isRefusal ? 'refusal' : 'content';
  for (const [place, token] of choice.text.entries()) {
    const delta = `{"${field}":${JSON.stringify(token)}}`;
    yield { delta, logprobs: deltaLogprobs(request, choice, token, place) };
  }
  for (const [index, { id, name, fragments }] of choice.toolCalls.entries()) {
    const call = { index, id, type: 'function', function: { name, arguments: '' } };
    yield { delta: `{"tool_calls":[${JSON.stringify(call)}]}`, logprobs: 'null' };
    for (const fragment of fragments) {
      const delta = `{"tool_calls":[{"index":${index},"function":{"arguments":${JSON.stringify(fragment)}}}]}`;
      yield { delta, logprobs: 'null' };
    }
  }
  return undefined;
}

function deltaLogprobs(request: ChatRequest, choice: ChoicePlan, token: string, place: number): string {
  if (request.logprobs !== true) return 'null';
  const entries = [logprobEntry(request, choice, token, place)];
  return JSON.stringify(
    choice.isRefusal ? { content: null, refusal: entries } : { content: entries, refusal: null },
  );
}
