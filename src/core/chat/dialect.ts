import type { JsonObject } from '../json.ts';
import type { RequestView } from '../request-view.ts';
import type { CallChange } from './call-change.ts';
import type { ChatRequest, WireFormat } from './request.ts';
import type { ResponseView } from './response-view.ts';
import type { ChatEventWriter, ChatResult } from './result.ts';

/** What a writer must know of the request that it answers. */
export interface RenderContext {
  /** The model as the client named it; answers name it so again. */
  readonly model: string;
  /** For an id, where the upstream gives none. Fit for any dialect: letters, digits and underscores. */
  readonly requestId: string;
  /** Unix seconds, where the upstream gives none. */
  readonly createdSeconds: number;
  /** The client asked for usage at the end of the stream, where its dialect makes that a choice. */
  readonly includesStreamUsage: boolean;
  /** The client's body, for dialects that repeat parts of the request in the answer. */
  readonly body: JsonObject;
}

/** A wire format that clients speak. */
export interface ClientDialect {
  readonly name: WireFormat;
  /** @throws GatewayError `invalid_request` naming the field, what was wrong and what is allowed */
  toChat(body: JsonObject): ChatRequest;
  /** Reads the facts of a request body that the dialect's endpoint has accepted. Never throws. */
  requestView(body: JsonObject): RequestView;
  /**
   * Reads the facts of a complete response body.
   * Absent where responses of the dialect are not checked.
   * @returns undefined for a body that is not a response of the dialect
   */
  responseView?(body: JsonObject): ResponseView | undefined;
  /**
   * Applies a change to the JSON text of a request, and leaves every other byte as it is. Absent where bodies of the dialect
   * are never forwarded.
   * @param body the same, parsed
   * @returns undefined where the dialect cannot express the change, or the request already says the same
   */
  edit?(text: string, body: JsonObject, change: CallChange): string | undefined;
  /** @returns the response body as a client expects it that did not request log probabilities */
  withoutLogprobs?(response: JsonObject): JsonObject;
  /** The body of a complete answer, as JSON text. */
  renderResult(result: ChatResult, renderContext: RenderContext): string;
  streamWriter(renderContext: RenderContext): ChatEventWriter;
}
