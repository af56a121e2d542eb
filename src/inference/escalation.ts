import type { ChatCall, InferenceCall } from '../core/inference.ts';
import { isRecord, parseJsonText } from '../core/json.ts';
import type { EscalationReason, EscalationSettings, ModelRoute } from '../routing/directory.ts';
import { faultOf, viewOf } from './answer-check.ts';
import type { Answer } from './attempt.ts';

/** Whether an answer of the model that was asked is good enough, or a stronger one has to be asked. */
export class Escalation {
  /** The call to the first model: with what the checks need of its answer. */
  readonly call: ChatCall;
  readonly #asksForLogprobs: boolean;

  private constructor(
    readonly settings: EscalationSettings,
    private readonly original: ChatCall,
  ) {
    this.#asksForLogprobs =
      settings.when.includes('low_confidence') &&
      original.operation === 'chat' &&
      original.dialect.name === 'openai-chat' &&
      original.body.logprobs !== true;
    this.call = this.#asksForLogprobs ? withLogprobs(original) : original;
  }

  /** @returns undefined where nothing is checked: an answer that is streamed is with its reader before it is whole */
  static of({ escalation }: ModelRoute, call: InferenceCall): Escalation | undefined {
    if (!escalation || call.stream) return undefined;
    if (call.operation !== 'chat' && call.operation !== 'completion') return undefined;
    return new Escalation(escalation, call);
  }

  /** Why the stronger model has to be asked; undefined when it has not. */
  judge(answer: Answer): EscalationReason | undefined {
    if (answer.kind !== 'buffered') return undefined;
    const view = viewOf(parseJsonText(answer.result.text));
    return view && faultOf(view, this.original.chat().responseFormat, this.settings);
  }

  /** The answer as its client has asked for it. */
  cleaned(answer: Answer): Answer {
    if (!this.#asksForLogprobs || answer.kind !== 'buffered') return answer;
    const body = parseJsonText(answer.result.text);
    if (!isRecord(body) || !Array.isArray(body.choices)) return answer;
    const choices = body.choices.map((choice: unknown) =>
      isRecord(choice) ? { ...choice, logprobs: null } : choice,
    );
    return { ...answer, result: { ...answer.result, text: JSON.stringify({ ...body, choices }) } };
  }
}

function withLogprobs(call: ChatCall): ChatCall {
  const body = { ...call.body, logprobs: true };
  return { ...call, body, text: JSON.stringify(body), chat: () => ({ ...call.chat(), logprobs: {} }) };
}
