import type { Origin } from '../core/chat/request.ts';

declare module '../core/chat/request.ts' {
  interface Origins {
    readonly anthropic: true;
    readonly openai: true;
    readonly gemini: true;
    readonly bedrock: true;
    readonly mistral: true;
    readonly cohere: true;
    readonly deepseek: true;
  }
}

/** Every vendor whose opaque values are distinguished. */
export const ORIGINS: readonly Origin[] = [
  'anthropic',
  'openai',
  'gemini',
  'bedrock',
  'mistral',
  'cohere',
  'deepseek',
  'other',
];
