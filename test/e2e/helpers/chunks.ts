import type { Json } from './json.ts';
import { UPSTREAM_MODEL } from './pair.ts';

/** Chat stream events and plain answers in OpenAI's format, as an upstream would send them. */

const IDENTITY = {
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1_700_000_000,
  model: UPSTREAM_MODEL,
} as const;

export const USAGE = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 } as const;

/** An event with one choice. `more` is added to the event, or replaces its members. */
export function delta(value: Json, finishReason: string | null = null, more: Json = {}): Json {
  return { ...IDENTITY, choices: [{ index: 0, delta: value, finish_reason: finishReason }], ...more };
}

export function text(content: string): Json {
  return delta({ content });
}

/** The event that says why the answer ends. */
export function finish(reason = 'stop', more: Json = {}): Json {
  return delta({}, reason, more);
}

/** OpenAI's last event: token counts and no choice. */
export function usageOnly(usage: Json = USAGE, more: Json = {}): Json {
  return { ...IDENTITY, choices: [], usage, ...more };
}

/** A plain chat answer. */
export function completion(message: Json = { role: 'assistant', content: 'Hello.' }, more: Json = {}): Json {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: UPSTREAM_MODEL,
    choices: [{ index: 0, message, finish_reason: 'stop' }],
    usage: USAGE,
    ...more,
  };
}
