import type { OutputText } from '../output-text.ts';
import type { Usage } from '../usage.ts';

/** What was learnt from an answer while it passed through. */
export interface StreamObservation {
  usage: Usage | undefined;
  finishReason: string | undefined;
  /** Events with at least one choice. */
  chunks: number;
  /** What was answered, where the decoder reads it: for counting, should the upstream not have counted. */
  readonly text?: OutputText;
}
