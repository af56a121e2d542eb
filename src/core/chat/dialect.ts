import type { ChatRequest, Wire } from './request.ts';
import type { ChatEventWriter, ChatResult } from './result.ts';

/** What a writer must know of the request that it answers. */
export interface AnswerAbout {
  /** The model as the client named it; answers name it so again. */
  readonly model: string;
  /** For an id, where the upstream gives none. Fit for any dialect: letters, digits and underscores. */
  readonly requestId: string;
  /** Unix seconds, where the upstream gives none. */
  readonly createdSeconds: number;
  /** The client asked for usage at the end of the stream, where its dialect makes that a choice. */
  readonly wantsStreamUsage: boolean;
  /** The client's body, for dialects that repeat parts of the request in the answer. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** A wire format that clients speak. */
export interface ClientDialect {
  readonly name: Wire;
  /** @throws GatewayError `invalid_request` naming the field, what was wrong and what is allowed */
  toChat(body: Readonly<Record<string, unknown>>): ChatRequest;
  /** The body of a complete answer, as JSON text. */
  renderResult(result: ChatResult, about: AnswerAbout): string;
  streamWriter(about: AnswerAbout): ChatEventWriter;
}
