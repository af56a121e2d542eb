import { splitAtRandom } from './bytes.ts';
import type { MockUpstream } from './mock-upstream.ts';
import { isEventStream, type RecordedCall } from './recordings.ts';
import type { ResponseScript } from './scripts.ts';

export interface ReplayOptions {
  /** Decides where the body is cut; 1 when absent. */
  readonly seed?: number;
  /** Number of pieces. When absent, event streams get 2 to 40 by the seed and other bodies stay whole. */
  readonly pieces?: number;
}

/** Headers that say something about the answer and nothing about the connection that once carried it. */
const REPLAYED_HEADERS =
  /^(content-type|(.+-)?(request|correlation)-id|retry-after(-ms)?|x-ratelimit-.+|x-amzn-errortype)$/;

/** The recorded response as a script: its status, harmless headers and body, cut at random byte positions. */
export function replayScript(recordedCall: RecordedCall, options: ReplayOptions = {}): ResponseScript {
  const { status, headers, body } = recordedCall.response;
  const head = {
    status,
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => REPLAYED_HEADERS.test(name))),
  };
  if (isEventStream(recordedCall))
    return { ...head, pieces: splitAtRandom(body, options.seed ?? 1, options.pieces) };
  if (options.pieces === undefined) return { ...head, body };
  return { ...head, pieces: splitAtRandom(body, options.seed ?? 1, options.pieces), framing: 'length' };
}

/** Makes the mock answer its next unanswered request with the recording. */
export function replay(mock: MockUpstream, recordedCall: RecordedCall, options?: ReplayOptions): void {
  mock.respond(replayScript(recordedCall, options));
}
