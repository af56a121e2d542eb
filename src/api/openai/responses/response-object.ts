import type { RenderContext } from '../../../core/chat/dialect.ts';
import { isRecord } from '../../../core/json.ts';
import type { Item } from './items.ts';

/** The id of an answer: the upstream's if it is one of this API, else one of our own. */
export function responseId(id: string | undefined, requestId: string): string {
  return id?.startsWith('resp_') ? id : `resp_${requestId.replace(/^req_/, '')}`;
}

/** A response without its outcome: who it is, and the settings that this API repeats. */
export function responseObject(id: string, createdAt: number, { model, body }: RenderContext): Item {
  return {
    id,
    object: 'response',
    created_at: createdAt,
    background: false,
    error: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: body.max_tool_calls ?? null,
    metadata: body.metadata ?? {},
    model,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    prompt_cache_key: body.prompt_cache_key ?? null,
    reasoning: isRecord(body.reasoning) ? body.reasoning : { effort: null, summary: null },
    safety_identifier: body.safety_identifier ?? null,
    service_tier: body.service_tier ?? 'auto',
    store: body.store ?? true,
    temperature: body.temperature ?? 1,
    text: isRecord(body.text) ? { format: { type: 'text' }, ...body.text } : { format: { type: 'text' } },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_logprobs: body.top_logprobs ?? 0,
    top_p: body.top_p ?? 1,
    truncation: body.truncation ?? 'disabled',
    user: body.user ?? null,
  };
}
