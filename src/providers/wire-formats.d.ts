/** The wire formats of providers. Some are also client dialects. */
declare module '../core/chat/request.ts' {
  interface WireFormats {
    readonly 'openai-chat': true;
    readonly 'openai-completions': true;
    readonly 'openai-responses': true;
    readonly 'anthropic-messages': true;
    readonly gemini: true;
    readonly 'bedrock-converse': true;
    readonly cohere: true;
  }
}

export {};
