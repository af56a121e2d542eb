import type { UpstreamRequest } from '../../core/transport.ts';
import type { CheckContext, CheckedText } from '../guardrail.ts';

/** What a server found in the texts that it was given. */
export interface ServerVerdict {
  /** Number of findings by kind; empty where nothing counts. */
  readonly counts: ReadonlyMap<string, number>;
  /** 0 to 1; 1 when absent. */
  readonly score?: number;
  /** The texts without the findings, in their order; absent where the server does not redact. */
  readonly texts?: readonly string[];
}

export const NOTHING_FOUND: ServerVerdict = { counts: new Map() };

/**
 * Sends a request to the server.
 * @returns the JSON of its response
 * @throws GuardrailFailure
 */
export type AskServer = (request: UpstreamRequest) => Promise<unknown>;

/** Translation between texts and the API of one service. */
export interface ServerAdapter {
  /** `each`: asked about one text at a time, so that verdicts on single texts are kept. `batch`: about all of a check. */
  readonly unit: 'each' | 'batch';
  /**
   * Asks the server about texts: one of them for `each`.
   * @throws GuardrailFailure
   */
  check(texts: readonly CheckedText[], context: CheckContext, ask: AskServer): Promise<ServerVerdict>;
}
