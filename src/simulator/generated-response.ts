import { invalidRequest } from './api-error.ts';
import type { FaultName } from './fault-names.ts';
import type { SimulatorOptions } from './options.ts';
import type { Turns } from './turns.ts';

/** One server-sent event of a stream, complete with its `data:` and empty line. */
export interface ResponseEvent {
  readonly text: string;
  /** Number of tokens of its choice before it, which determines its due time. */
  readonly step: number;
  /** Whether it belongs to the end of the response: finish reasons, usage, `[DONE]`. */
  readonly closing: boolean;
}

/** The body of a successful response. It is generated when it is due. */
export type GeneratedResponse =
  | {
      readonly kind: 'json';
      /** @returns the number of tokens of the longest choice */
      readonly steps: () => number | Promise<number>;
      readonly body: () => string | Promise<string>;
    }
  | { readonly kind: 'stream'; readonly events: Iterable<ResponseEvent> };

/** Facts that an endpoint needs in addition to the request body. */
export interface ResponseContext {
  readonly options: SimulatorOptions;
  /** The simulated fault; `none` for no fault. */
  readonly fault: FaultName;
  /** Model name without options. */
  readonly baseModel: string;
  readonly randomId: () => string;
  /** Unix seconds. */
  readonly created: number;
  readonly turns: Turns;
}

/**
 * Checks a request body.
 * @returns a function that generates the response
 * @throws ApiError for an invalid body
 */
export type Endpoint = (
  body: Readonly<Record<string, unknown>>,
) => (context: ResponseContext) => GeneratedResponse;

/** The last event of a stream. */
export const DONE: string = 'data: [DONE]\n\n';

/** Steps of a response without a text. */
export const NO_STEPS = () => 0;

/** Rejects faults that change a text, for endpoints whose response is not a text. @throws ApiError with status 400 */
export function checkNoTextFault(fault: FaultName): void {
  if (fault !== 'refusal' && fault !== 'content_filter') return;
  throw invalidRequest(
    `The fault '${fault}' is not supported by this endpoint: its response is not a text.`,
    null,
    'invalid_simulator_option',
  );
}
