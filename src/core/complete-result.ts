import type { ChatResult } from './chat/result.ts';
import type { Usage } from './usage.ts';

/** How the result of a chat is decoded and rendered; absent for other operations. */
export interface ChatCodec {
  /** @throws GatewayError when the body is not what its format promises */
  readonly decode: () => ChatResult;
  /** The body in the client's dialect. */
  readonly render: (result: ChatResult) => string;
}

/** A complete response: the body's text for the client, and what the gateway read from it. */
export class CompleteResult {
  #chat: ChatResult | undefined;

  constructor(
    /** JSON text in the client's dialect, or plain text where the endpoint says so. */
    readonly text: string,
    readonly usage: Usage | undefined,
    readonly finishReason: string | undefined,
    private readonly codec?: ChatCodec,
  ) {}

  /** The canonical form, decoded on the first call; undefined where the operation is no chat. */
  chat(): ChatResult | undefined {
    this.#chat ??= this.codec?.decode();
    return this.#chat;
  }

  /** The same response with another content, rendered in the client's dialect. Usage stays what the upstream reported. */
  withChat(edited: ChatResult): CompleteResult {
    if (!this.codec) throw new TypeError('only the result of a chat can be edited');
    const { usage } = this;
    const finish = edited.choices[0]?.finish;
    const { render } = this.codec;
    const codec: ChatCodec = { decode: () => edited, render };
    return new CompleteResult(render(edited), usage, finish?.raw ?? finish?.unified, codec);
  }

  /** The same response with another text for the client. @param chat its canonical form */
  withText(text: string, chat: ChatResult): CompleteResult {
    if (!this.codec) throw new TypeError('only the result of a chat can be edited');
    const { render } = this.codec;
    return new CompleteResult(text, this.usage, this.finishReason, { decode: () => chat, render });
  }
}
