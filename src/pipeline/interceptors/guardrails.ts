import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AssistantPart } from '../../core/chat/request.ts';
import type { ChatChoice, ChatResult } from '../../core/chat/result.ts';
import type { CompleteResult } from '../../core/complete-result.ts';
import { GatewayError } from '../../core/errors.ts';
import type { InferenceCall } from '../../core/inference.ts';
import { editMembers } from '../../core/json-edit.ts';
import { once } from '../../core/once.ts';
import type { PiiGuardrail, ResponseTextKind } from '../../guardrails/pii-guardrail.ts';
import {
  mapRequestTexts,
  type RequestText,
  requestTexts,
  TEXT_MEMBERS,
} from '../../guardrails/request-texts.ts';
import { GuardrailRun } from '../guardrail-run.ts';
import { GuardrailStream } from '../guardrail-stream.ts';
import { defineInterceptor, type InferenceResponse, type Interceptor } from '../interceptor.ts';

/** UTF-16 units after which other requests have their turn. */
const TURN = 65_536;
/** Names the guardrails that found something in the request. */
const HEADER = 'x-weir-guardrails';

/** Applies the guardrails to requests before the cache and the providers, and to responses after them. */
export const interceptor = defineInterceptor({
  name: 'guardrails',
  create(_, { guardrails }): Interceptor | undefined {
    if (!guardrails || guardrails.list.length === 0) return undefined;
    const { list, observer } = guardrails;
    const modelOf = (id: string | undefined) => list.filter((guardrail) => guardrail.appliesTo(id ?? ''));
    return {
      name: 'guardrails',
      stream: list.some(({ changesResponses }) => changesResponses)
        ? 'rewrite'
        : list.some(({ readsResponses }) => readsResponses)
          ? 'observe'
          : 'bytes',
      applies: (_call, { request }) => modelOf(request.routing.route?.id).length > 0,
      async handle(call, scope, next) {
        const { request } = scope;
        const run = new GuardrailRun(modelOf(request.routing.route?.id), observer);
        request.guardrails = run;
        const filtered = await filterRequest(call, run);
        if (run.visible.length > 0) request.response.headers.push([HEADER, run.visible.join(', ')]);
        return filterResponse(await next(filtered, scope), run);
      },
    };
  },
});

/** @throws GatewayError `guardrail_blocked` */
async function filterRequest(call: InferenceCall, run: GuardrailRun): Promise<InferenceCall> {
  const readers = run.guardrails.filter(({ readsRequests }) => readsRequests);
  if (readers.length === 0) return call;
  if (readers.some(({ action }) => action === 'pseudonymise')) run.pseudonyms.reserve(call.text);
  let blocked: PiiGuardrail | undefined;
  const kinds = new Set<string>();
  let read = 0;
  const filter = async ({ text, kind }: RequestText): Promise<string> => {
    let current = text;
    for (const guardrail of readers) {
      const found = await guardrail.request(current, kind, run.pseudonyms, () => nextTurn());
      if (run.record(guardrail, 'input', found)) {
        blocked ??= guardrail;
        for (const kind of found.counts.keys()) kinds.add(kind);
      }
      if (guardrail.changesRequests) current = found.text;
    }
    return current;
  };
  const filtered: string[] = [];
  for (const one of requestTexts(call.body)) {
    filtered.push(await filter(one));
    read += one.text.length;
    if (read < TURN) continue;
    read = 0;
    await nextTurn();
  }
  let index = -1;
  const changed = mapRequestTexts(call.body, (text) => {
    index += 1;
    return filtered[index] ?? text;
  });
  if (blocked) throw blockedBy(blocked, [...kinds]);
  return changed ? withTexts(call, changed) : call;
}

function blockedBy({ id }: PiiGuardrail, kinds: readonly string[]): GatewayError {
  return new GatewayError(
    'guardrail_blocked',
    `The guardrail "${id}" found what must not go to a provider: ${kinds.join(', ')}. Remove it and send the request again.`,
    { headers: { [HEADER]: id } },
  );
}

/** A call with other texts: every other byte of its body stays. */
function withTexts(call: InferenceCall, changed: Readonly<Record<string, unknown>>): InferenceCall {
  const edits = Object.fromEntries(
    TEXT_MEMBERS.flatMap((member) => (member in changed ? [[member, JSON.stringify(changed[member])]] : [])),
  );
  const text = editMembers(call.text, edits);
  const body = { ...call.body, ...changed };
  switch (call.operation) {
    case 'chat':
    case 'completion': {
      const { dialect } = call;
      return {
        ...call,
        text,
        body,
        view: once(() => dialect.requestView(body)),
        chat: once(() => dialect.toChat(body)),
      };
    }
    case 'count-tokens': {
      const { dialect } = call;
      return {
        ...call,
        text,
        body,
        view: once(() => dialect.requestView(body)),
        chat: once(() => dialect.toChat(body)),
      };
    }
    case 'embedding':
      return {
        ...call,
        text,
        body,
        embedding: { ...call.embedding, inputs: inputsOf(changed, call.embedding.inputs) },
      };
    case 'moderation':
      // Only upstreams get it, and they get its body.
      return { ...call, text, body };
    case 'rerank':
      return { ...call, text, body, rerank: { ...call.rerank, ...rerankTexts(changed) } };
  }
}

type EmbeddingInputs = Extract<InferenceCall, { operation: 'embedding' }>['embedding']['inputs'];

function inputsOf({ input }: Readonly<Record<string, unknown>>, before: EmbeddingInputs): EmbeddingInputs {
  if (typeof input === 'string') return [input];
  if (!Array.isArray(input)) return before;
  return before.map((one, index) =>
    typeof one === 'string' && typeof input[index] === 'string' ? input[index] : one,
  );
}

function rerankTexts({ query, documents, texts }: Readonly<Record<string, unknown>>): {
  query?: string;
  documents?: readonly string[];
} {
  const list = Array.isArray(documents) ? documents : Array.isArray(texts) ? texts : undefined;
  return {
    ...(typeof query === 'string' && { query }),
    ...(list && { documents: list.map(documentText) }),
  };
}

function documentText(document: unknown): string {
  if (typeof document === 'string') return document;
  const { text } = Object(document);
  return typeof text === 'string' ? text : JSON.stringify(document);
}

function filterResponse(response: InferenceResponse, run: GuardrailRun): InferenceResponse {
  if (!run.guardrails.some(({ readsResponses }) => readsResponses)) return response;
  const { body } = response;
  if (body.kind === 'stream') {
    return { ...response, body: { kind: 'stream', stream: body.stream.through(new GuardrailStream(run)) } };
  }
  return { ...response, body: { kind: 'complete', result: filterResult(body.result, run) } };
}

function filterResult(result: CompleteResult, run: GuardrailRun): CompleteResult {
  const chat = result.chat();
  if (!chat) return result;
  let isChanged = false;
  let isBlocked = false;
  const filter = (text: string, kind: ResponseTextKind): string => {
    let current = text;
    for (const guardrail of run.guardrails) {
      if (!guardrail.readsResponses) continue;
      const found = guardrail.response(current, kind, run.pseudonyms);
      if (run.record(guardrail, 'output', found)) isBlocked = true;
      if (guardrail.changesResponses) current = found.text;
    }
    if (current !== text) isChanged = true;
    return current;
  };
  const choices = chat.choices.map((choice) => ({
    ...choice,
    content: choice.content.map((part) => filterPart(part, filter)),
  }));
  if (isBlocked) return result.withChat({ ...chat, choices: chat.choices.map(blockedChoice) });
  if (!isChanged) return result;
  const edited: ChatResult = { ...chat, choices: choices.map(({ logprobs: _, ...choice }) => choice) };
  return result.withChat(edited);
}

function blockedChoice({ index }: ChatChoice): ChatChoice {
  return { index, content: [], finish: { unified: 'content-filter', raw: 'content_filter' } };
}

function filterPart(
  part: AssistantPart,
  filter: (text: string, kind: ResponseTextKind) => string,
): AssistantPart {
  switch (part.type) {
    case 'text':
    case 'reasoning':
    case 'refusal': {
      const text = filter(part.text, 'output');
      return text === part.text ? part : { ...part, text };
    }
    case 'tool-call': {
      const text = filter(part.arguments, 'tool_call');
      return text === part.arguments ? part : { ...part, arguments: text };
    }
    default:
      return part;
  }
}
