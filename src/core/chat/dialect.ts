import type { JsonObject } from '../json.ts';
import type { RequestView } from '../request-view.ts';
import type { Warning } from '../warning.ts';
import type { CallChange } from './call-change.ts';
import type { ChatRequest, WireFormat } from './request.ts';
import type { ResponseView } from './response-view.ts';
import type { ChatEventWriter, ChatResult } from './result.ts';

/** Facts of the request that rendering its response needs. */
export interface RenderContext {
  /** The model's name as the client sent it. */
  readonly model: string;
  /** The id of a response without one from the upstream: letters, digits and underscores. */
  readonly requestId: string;
  /** Creation time of a response without one from the upstream, in Unix seconds. */
  readonly createdSeconds: number;
  /** The client requested a usage event at the end of the stream, in dialects where that is optional. */
  readonly includesStreamUsage: boolean;
  /** Estimates the input tokens, for dialects that report usage before or without the upstream. */
  readonly estimateInputTokens?: () => number;
  /** The client's body, for dialects whose responses repeat parts of it. */
  readonly body: JsonObject;
}

/** A wire format that clients speak. */
export interface ClientDialect {
  readonly name: WireFormat;
  /**
   * Converts a request body to canonical form.
   * @throws GatewayError `invalid_request` with the field, the fault and the allowed values
   */
  toChat(body: JsonObject): ChatRequest;
  /**
   * Lists the members of a request body that `toChat` ignores, nested ones too. Absent where it ignores none.
   * @returns paths, such as `messages[2].content[0].phase`
   */
  unreadMembers?(body: JsonObject): readonly string[];
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
  /**
   * Finds values in a request that the gateway made for another vendor than that of the dialect: signatures, and ids that
   * carry them. Targets of the dialect's own format reject them. Absent where bodies of the dialect contain none.
   * @param takesCallSignatures the target accepts signatures of calls beside the calls
   * @returns the members to replace, with their new values; undefined where there are none
   */
  withoutForeignSignatures?(
    text: string,
    body: JsonObject,
    takesCallSignatures: boolean,
  ): JsonObject | undefined;
  /** @returns the response body as a client expects it that did not request log probabilities */
  withoutLogprobs?(response: JsonObject): JsonObject;
  /**
   * Lists the content of a complete response that `renderResult` leaves out, because the dialect has no form for it. Absent
   * where it leaves out nothing.
   */
  unrendered?(result: ChatResult): readonly Warning[];
  /** Renders a complete response. @returns JSON text */
  renderResult(result: ChatResult, renderContext: RenderContext): string;
  /** @returns a writer for one streamed response */
  streamWriter(renderContext: RenderContext): ChatEventWriter;
}
