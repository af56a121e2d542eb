import type { OutputText } from '../output-text.ts';
import type { Usage } from '../usage.ts';

/** Facts of a streamed response that the decoder has read so far. */
export interface StreamObservation {
  /** As the upstream reported it; undefined until it does. */
  usage: Usage | undefined;
  finishReason: string | undefined;
  /** Number of events with content. */
  chunks: number;
  /** The text so far, for token counts when the upstream reports none. */
  readonly text?: OutputText;
}
