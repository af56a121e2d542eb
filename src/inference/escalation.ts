import type { LogprobsSupport } from '../core/chat/dialect.ts';
import type { ChatCall, InferenceCall } from '../core/inference.ts';
import { isRecord, parseJsonText } from '../core/json.ts';
import type { EscalationReason, EscalationSettings, ModelRoute } from '../routing/directory.ts';
import { faultOf } from './answer-check.ts';
import type { Answer } from './attempt.ts';

/** Whether an answer of the model that was asked is good enough, or a stronger one has to be asked. */
export class Escalation {
  /** The call to the first model: with what the checks need of its answer. */
  readonly call: ChatCall;
  /** Removes what was requested beside the client's own request; undefined where nothing was. */
  readonly #logprobs: LogprobsSupport | undefined;

  private constructor(
    readonly settings: EscalationSettings,
    private readonly original: ChatCall,
  ) {
    const { logprobs } = original.dialect;
    const body = settings.when.includes('low_confidence') ? logprobs?.request(original.body) : undefined;
    this.#logprobs = body && logprobs;
    this.call = body ? withLogprobs(original, body) : original;
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
    const body = parseJsonText(answer.result.text);
    const view = isRecord(body) ? this.original.dialect.responseView?.(body) : undefined;
    return view && faultOf(view, this.original.chat().responseFormat, this.settings);
  }

  /** The answer as its client has asked for it. */
  cleaned(answer: Answer): Answer {
    if (!this.#logprobs || answer.kind !== 'buffered') return answer;
    const body = parseJsonText(answer.result.text);
    if (!isRecord(body)) return answer;
    const text = JSON.stringify(this.#logprobs.remove(body));
    return { ...answer, result: { ...answer.result, text } };
  }
}

function withLogprobs(call: ChatCall, body: ChatCall['body']): ChatCall {
  return { ...call, body, text: JSON.stringify(body), chat: () => ({ ...call.chat(), logprobs: {} }) };
}
