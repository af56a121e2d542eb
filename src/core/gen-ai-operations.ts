import type { Operation } from './inference.ts';

/** OpenTelemetry's names of operations (GenAI conventions). */
export const GEN_AI_OPERATIONS: Readonly<Record<Operation, string>> = {
  chat: 'chat',
  completion: 'text_completion',
  embedding: 'embeddings',
  rerank: 'rerank',
  moderation: 'moderation',
  'count-tokens': 'count_tokens',
};
