import type { ChatEvent, ChatResult } from '../core/chat/result.ts';
import type { CompleteResult } from '../core/complete-result.ts';
import type { InferenceCall } from '../core/inference.ts';
import { isRecord } from '../core/json.ts';
import type { Frame, FrameSink, StreamEnd, StreamTransform } from '../core/stream/frame.ts';
import type { ResponseVerdict } from '../guardrails/guardrail.ts';
import type { TextGuardrail } from './guardrail-check.ts';
import { withTexts } from './guardrail-request.ts';
import { blockedChat } from './guardrail-response.ts';
import type { GuardrailRun } from './guardrail-run.ts';
import type { InferenceResponse } from './interceptor.ts';

/** UTF-16 units of a streamed response that are held back. A longer one is blocked. */
const MAX_HELD = 4_000_000;

/** Asks the model once more. */
export type AskAgain = (call: InferenceCall) => Promise<InferenceResponse>;

/** What a check of a whole response needs. */
export interface WholeCheck {
  /** The guardrails that check whole responses, at least one. */
  readonly guardrails: readonly TextGuardrail[];
  readonly run: GuardrailRun;
  readonly call: InferenceCall;
  readonly ask: AskAgain;
}

/** @returns the guardrails that check whole responses */
export function wholeCheckers(list: readonly TextGuardrail[]): readonly TextGuardrail[] {
  return list.filter(({ checker }) => checker.response !== undefined);
}

/** Checks a complete response. One that can be repaired is asked for once more; what fails then is what the action says. */
export async function checkWhole(response: InferenceResponse, check: WholeCheck): Promise<InferenceResponse> {
  const { body } = response;
  if (body.kind !== 'complete') return response;
  const chat = body.result.chat();
  if (!chat) return response;
  const repair = repairOf(check, chat);
  if (repair === undefined) return afterCheck(response, body.result, chat, check);
  const again = repairedCall(check.call, textOf(chat), repair);
  // Where the model gives no second response, the first one counts.
  const second = again && (await check.ask(again).catch(() => undefined));
  if (second?.body.kind !== 'complete') return afterCheck(response, body.result, chat, check);
  const repaired = second.body.result.chat();
  return repaired ? afterCheck(second, second.body.result, repaired, check) : second;
}

function afterCheck(
  response: InferenceResponse,
  result: CompleteResult,
  chat: ChatResult,
  check: WholeCheck,
): InferenceResponse {
  if (!isBlocked(check, chat)) return response;
  return { ...response, body: { kind: 'complete', result: result.withChat(blockedChat(chat)) } };
}

/** @returns the message that asks for a repair; undefined where none is needed or possible */
function repairOf({ guardrails, run }: WholeCheck, chat: ChatResult): string | undefined {
  for (const { checker, guardrail } of guardrails) {
    // Observers change nothing about the response.
    if (guardrail.action === 'shadow' || guardrail.action === 'flag') continue;
    const { repair } = checker.response?.(chat, run.context) ?? {};
    if (repair !== undefined) return repair;
  }
  return undefined;
}

function isBlocked({ guardrails, run }: WholeCheck, chat: ChatResult): boolean {
  let blocks = false;
  for (const { guardrail, checker } of guardrails) {
    try {
      const verdict: ResponseVerdict = checker.response?.(chat, run.context) ?? { counts: new Map() };
      if (run.record(guardrail, 'output', verdict)) blocks = true;
    } catch (error) {
      if (run.failed(guardrail, 'output', error)) blocks = true;
    }
  }
  return blocks;
}

function textOf({ choices }: ChatResult): string {
  const parts = choices[0]?.content ?? [];
  return parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
}

/** @returns the call with the response and a message after it; undefined for dialects without a conversation */
function repairedCall(call: InferenceCall, response: string, repair: string): InferenceCall | undefined {
  const turns = [
    { role: 'assistant', content: response === '' ? '(empty)' : response },
    { role: 'user', content: repair },
  ];
  const { messages, input } = call.body;
  if (Array.isArray(messages)) return withTexts(call, { messages: [...messages, ...turns] });
  if (typeof input === 'string')
    return withTexts(call, { input: [{ role: 'user', content: input }, ...turns] });
  if (Array.isArray(input) && input.every(isRecord)) return withTexts(call, { input: [...input, ...turns] });
  return undefined;
}

/** Holds a stream back until its end, and checks the whole response. */
export class WholeResponseStream implements StreamTransform {
  #frames: Frame[] = [];
  readonly #texts = new Map<number, { text: string; isText: boolean; hasCall: boolean }>();
  #size = 0;
  #isOver = false;

  /** @param mayAsk false for the stream of a repair */
  constructor(
    private readonly check: WholeCheck,
    private readonly mayAsk: boolean,
  ) {}

  frame(frame: Frame, out: FrameSink): void {
    if (this.#isOver) return;
    if (frame.events.length === 0 && !frame.isLast) {
      // A sign of life.
      out.write(frame);
      return;
    }
    this.#frames.push(frame);
    for (const event of frame.events) this.#follow(event);
    if (this.#size > MAX_HELD) this.#block(out);
  }

  end(end: StreamEnd, out: FrameSink): void {
    if (this.#isOver || end.kind === 'cancelled') return;
    if (end.kind === 'done') this.#decide(out);
  }

  #follow(event: ChatEvent): void {
    if (event.type === 'part-start') {
      const choice = this.#texts.get(event.choice) ?? { text: '', isText: false, hasCall: false };
      choice.isText = event.part.type === 'text';
      choice.hasCall ||= event.part.type === 'tool-call';
      this.#texts.set(event.choice, choice);
    } else if (event.type === 'delta') {
      const choice = this.#texts.get(event.choice);
      this.#size += event.text.length;
      if (choice?.isText) choice.text += event.text;
    }
  }

  #decide(out: FrameSink): void {
    this.#isOver = true;
    const chat = this.#chat();
    const { call, ask } = this.check;
    const repair = this.mayAsk ? repairOf(this.check, chat) : undefined;
    const again = repair === undefined ? undefined : repairedCall(call, textOf(chat), repair);
    if (!again) {
      this.#flush(out, chat);
      return;
    }
    const release = out.hold();
    ask(again).then(
      ({ body }) => {
        if (body.kind === 'stream')
          out.splice(body.stream.through(new WholeResponseStream(this.check, false)));
        else this.#flush(out, chat);
        release();
      },
      () => {
        this.#flush(out, chat);
        release();
      },
    );
  }

  #flush(out: FrameSink, chat: ChatResult): void {
    if (isBlocked(this.check, chat)) this.#block(out);
    else for (const frame of this.#frames) out.write(frame);
    this.#frames = [];
  }

  #block(out: FrameSink): void {
    this.#isOver = true;
    this.#frames = [];
    out.finish({ unified: 'content-filter', raw: 'content_filter' });
  }

  #chat(): ChatResult {
    const finish = { unified: 'stop' } as const;
    return {
      choices: [...this.#texts].map(([index, { text, hasCall }]) => ({
        ...{ index, finish },
        content: hasCall
          ? [{ type: 'tool-call', id: '', name: '', arguments: '' } as const]
          : [{ type: 'text', text } as const],
      })),
    };
  }
}
