import { invalidRequest } from './api-error.ts';
import type { FaultName } from './fault-names.ts';
import type { SimulatorOptions } from './options.ts';

/** One server-sent event of a stream, complete with its `data:` and empty line. */
export interface AnswerEvent {
  readonly text: string;
  /** How many tokens of its choice come before it: its place in time. */
  readonly step: number;
  /** It belongs to the end of the answer: finish reasons, usage, `[DONE]`. */
  readonly closing: boolean;
}

/** What goes into the body of a 200. */
export type Answer =
  | {
      readonly kind: 'json';
      readonly body: string /** Tokens of the longest choice. */;
      readonly steps: number;
    }
  | { readonly kind: 'stream'; readonly events: Iterable<AnswerEvent> };

/** What an endpoint needs to know beside the request body. */
export interface AnswerContext {
  readonly options: SimulatorOptions;
  /** The fault that this request gets; `none` for no fault. */
  readonly fault: FaultName;
  /** Model name without options. */
  readonly baseModel: string;
  readonly randomId: () => string;
  /** Seconds since the Unix epoch. */
  readonly created: number;
}

/** Checks a request body, throwing an `ApiError`; what it returns makes the answer. */
export type Endpoint = (body: Readonly<Record<string, unknown>>) => (context: AnswerContext) => Answer;

export const DONE: string = 'data: [DONE]\n\n';

/** Throws a 400 for the faults that change a text, where the answer is none. */
export function checkNoTextFault(fault: FaultName): void {
  if (fault !== 'refusal' && fault !== 'content_filter') return;
  throw invalidRequest(
    `The fault '${fault}' has no meaning here: the answer is not a text.`,
    null,
    'invalid_simulator_option',
  );
}
