import type { CompleteResult } from '../core/complete-result.ts';
import type { FrameStream } from '../core/stream/frame.ts';
import type { Target } from '../providers/types.ts';

/** Who made a response. */
export type ResponseSource =
  | { readonly kind: 'target'; readonly target: Target }
  | { readonly kind: 'cache' | 'guardrail' | 'plugin'; readonly name: string };

/** A response before it is written to the client. */
export interface InferenceResponse {
  readonly source: ResponseSource;
  readonly body:
    | { readonly kind: 'complete'; readonly result: CompleteResult }
    | { readonly kind: 'stream'; readonly stream: FrameStream };
}
