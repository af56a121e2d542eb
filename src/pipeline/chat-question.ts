import type { ChatCall } from '../core/inference.ts';

/** Makes the call that asks a model one question, without a stream. */
export type ChatQuestion = (
  model: string,
  prompt: { readonly system: string; readonly user: string },
) => ChatCall;
