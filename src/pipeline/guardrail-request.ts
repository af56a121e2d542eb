import { setImmediate as nextTurn } from 'node:timers/promises';
import { GatewayError } from '../core/errors.ts';
import type { InferenceCall } from '../core/inference.ts';
import { writeChanges } from '../core/json-changes.ts';
import { editMembers, repeatedMembers } from '../core/json-edit.ts';
import { once } from '../core/once.ts';
import type { CheckedText, Guardrail, RequestShape } from '../guardrails/guardrail.ts';
import { mapRequestTexts, type RequestText, readMembers, requestTexts } from '../guardrails/request-texts.ts';
import type { LineForwarding } from '../providers/line-forwarding.ts';
import type { Cancellable } from './guardrail-check.ts';
import {
  passBatch,
  passText,
  type RemoteGuardrail,
  sortGuardrails,
  type TextGuardrail,
} from './guardrail-check.ts';
import { type GuardrailResult, type GuardrailRun, HEADER } from './guardrail-run.ts';

/** UTF-16 units after which other requests have their turn. */
const TURN = 65_536;

/** A request that passed its guardrails. */
export interface CheckedRequest {
  readonly call: InferenceCall;
  /**
   * Asks guardrails that check the request while the provider responds. Resolves to the error of the one that blocks it;
   * undefined where there are none.
   */
  readonly beside: (() => Promise<GatewayError | undefined>) | undefined;
}

/**
 * Passes a request through its guardrails: first those that compute, in their order, then those that ask a server.
 * @param forwarding of a line of a batch, which passes twice: servers that may block it are asked with its capture, and after
 *   all else; those that only observe it with its replay
 * @throws GatewayError `guardrail_blocked`, or `guardrail_unavailable` where a guardrail fails closed
 */
export async function checkRequest(
  call: InferenceCall,
  run: GuardrailRun,
  scope: Cancellable,
  now: () => number,
  forwarding: LineForwarding['kind'] | undefined,
): Promise<CheckedRequest> {
  const { text: readers, remote: all } = sortGuardrails(run.guardrails, 'input');
  const remote = forwarding ? all.filter(({ guardrail }) => isAsked(guardrail, forwarding)) : all;
  if (readers.length === 0 && remote.length === 0) return { call, beside: undefined };
  if (run.guardrails.some(({ action }) => action === 'pseudonymise'))
    run.context.pseudonyms.reserve(call.text);
  const before = requestTexts(call.body);
  checkShape(readers, call, before, run, now);
  const texts = await passTexts(readers, before, run, now);
  const { blocked } = run;
  if (blocked) throw blockedBy(blocked);
  const isFirst = ({ guardrail }: RemoteGuardrail) =>
    guardrail.changesTexts || (guardrail.policy.run === 'before' && forwarding !== 'capture');
  const first = remote.filter(isFirst);
  const after = await passRemote(first, before, texts, run, scope, now);
  if (run.blocked) throw blockedBy(run.blocked);
  const others = remote.filter((one) => !isFirst(one));
  let index = -1;
  const changed = mapRequestTexts(call.body, ({ text }) => {
    index += 1;
    return after[index] ?? text;
  });
  return {
    call: withoutRepeated(changed ? withTexts(call, changed) : call, readers, first),
    beside: others.length === 0 ? undefined : () => passBeside(others, before, after, run, scope, now),
  };
}

/** Texts are changed each time, because the response refers to the changes. */
function isAsked(guardrail: Guardrail, forwarding: LineForwarding['kind']): boolean {
  return guardrail.changesTexts || mayBlock(guardrail) === (forwarding === 'capture');
}

function checkShape(
  readers: readonly TextGuardrail[],
  call: InferenceCall,
  texts: readonly RequestText[],
  run: GuardrailRun,
  now: () => number,
): void {
  let shape: RequestShape | undefined;
  for (const { guardrail, checker } of readers) {
    if (!checker.request) continue;
    shape ??= shapeOf(call, texts, run.context.model);
    const startedAt = now();
    try {
      run.record(guardrail, 'input', checker.request(shape, run.context), startedAt);
    } catch (error) {
      run.failed(guardrail, 'input', error, startedAt);
    }
  }
}

function shapeOf({ body, text }: InferenceCall, texts: readonly RequestText[], model: string): RequestShape {
  let characters = 0;
  for (const one of texts) if (!one.isSetting) characters += one.text.length;
  const count = (value: unknown) => (Array.isArray(value) ? value.length : 0);
  return {
    ...{ model, characters },
    bytes: Buffer.byteLength(text),
    tools: count(body.tools) + count(body.functions),
  };
}

async function passTexts(
  readers: readonly TextGuardrail[],
  texts: readonly RequestText[],
  run: GuardrailRun,
  now: () => number,
): Promise<readonly string[]> {
  const out: string[] = [];
  let read = 0;
  for (const one of texts) {
    const passed = await passText(readers, checkedOf(one), run, now);
    out.push(passed.text);
    read += one.text.length;
    if (read < TURN) continue;
    read = 0;
    await nextTurn();
  }
  return out;
}

/** Those that change texts see each other's changes; the others are asked at the same time. */
async function passRemote(
  remote: readonly RemoteGuardrail[],
  before: readonly RequestText[],
  texts: readonly string[],
  run: GuardrailRun,
  scope: Cancellable,
  now: () => number,
): Promise<readonly string[]> {
  let current = texts;
  for (const one of remote) {
    if (!one.guardrail.changesTexts) continue;
    current = (await passBatch(one, batchOf(before, current), 'input', run, now, scope)) ?? current;
  }
  const observers = remote.filter(({ guardrail }) => !guardrail.changesTexts);
  const batch = batchOf(before, current);
  await Promise.all(observers.map((one) => passBatch(one, batch, 'input', run, now, scope)));
  return current;
}

async function passBeside(
  remote: readonly RemoteGuardrail[],
  before: readonly RequestText[],
  texts: readonly string[],
  run: GuardrailRun,
  scope: Cancellable,
  now: () => number,
): Promise<GatewayError | undefined> {
  const batch = batchOf(before, texts);
  const deciding = remote.filter(({ guardrail }) => mayBlock(guardrail));
  for (const one of remote) {
    // Nothing waits for these: they are counted when they come.
    if (!deciding.includes(one)) passBatch(one, batch, 'input', run, now).catch(() => undefined);
  }
  await Promise.all(deciding.map((one) => passBatch(one, batch, 'input', run, now, scope)));
  return run.blocked && blockedBy(run.blocked);
}

function mayBlock({ action, policy }: Guardrail): boolean {
  return action === 'block' || policy.fail === 'closed';
}

function checkedOf({
  text,
  kind,
  role,
  key,
  isSetting,
}: RequestText): CheckedText & { readonly key: string } {
  return { text, direction: kind, stage: 'input', role, key, isSetting };
}

function batchOf(before: readonly RequestText[], texts: readonly string[]): readonly CheckedText[] {
  return before.map((one, index) => checkedOf({ ...one, text: texts[index] ?? one.text }));
}

function blockedBy({ guardrail: { id }, counts, outcome }: GuardrailResult): GatewayError {
  const options = { headers: { [HEADER]: id } };
  if (outcome === 'error') {
    return new GatewayError(
      'guardrail_unavailable',
      `The guardrail "${id}" could not check the request, and fails closed. Try again later.`,
      options,
    );
  }
  return new GatewayError(
    'guardrail_blocked',
    `The guardrail "${id}" found what must not go to a provider: ${[...counts.keys()].join(', ')}. Remove it and send the request again.`,
    options,
  );
}

/**
 * A member that occurs more than once has different values for different parsers. Only the last one was read: it takes the
 * place of the others, where texts may have to be changed.
 */
function withoutRepeated(
  call: InferenceCall,
  ...lists: readonly (readonly { readonly guardrail: Guardrail }[])[]
): InferenceCall {
  if (!lists.flat().some(({ guardrail }) => guardrail.changesTexts || guardrail.action === 'block'))
    return call;
  const repeated = repeatedMembers(call.text, readMembers(call.body));
  if (repeated.length === 0) return call;
  const edits = Object.fromEntries(repeated.map((member) => [member, JSON.stringify(call.body[member])]));
  return { ...call, text: editMembers(call.text, edits) };
}

/** A call with other texts: every other byte of its body stays. */
export function withTexts(call: InferenceCall, changed: Readonly<Record<string, unknown>>): InferenceCall {
  const body = { ...call.body, ...changed };
  const text = writeChanges(call.text, call.body, body);
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
