import { isRecord } from '../../core/json.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import type { ModerationPassthrough } from '../format.ts';
import { editedMembers } from '../member-limits.ts';
import { errorFromObject } from './errors.ts';
import { readUsage } from './usage.ts';

/**
 * Forwards moderation requests to vendors with OpenAI's format. Vendors differ in their categories, which are forwarded as
 * they are.
 */
export const openAiModeration: ModerationPassthrough = {
  accepts: ({ provider }) => provider.profile.moderationPath !== undefined,

  build(call, target) {
    const { provider } = target;
    const edits: Record<string, string> =
      call.body.model === target.model ? {} : { model: JSON.stringify(target.model) };
    return {
      url: provider.baseUrl + (provider.profile.moderationPath ?? ''),
      body: editedMembers(call.text, edits),
    };
  },

  parse(response, call, { provider }) {
    const { text, json } = decodeJson(response, provider);
    if (json.error !== undefined && json.error !== null) {
      throw errorFromObject(json, provider.id, provider.credential);
    }
    const { results } = json;
    if (!Array.isArray(results) || !results.every(isVerdict)) {
      throw invalidResponse(
        provider,
        'responded without "results"; the response has another format than requested.',
      );
    }
    if (results.length !== call.moderation.inputs.length) {
      throw invalidResponse(
        provider,
        `sent ${results.length} verdicts for ${call.moderation.inputs.length} inputs.`,
      );
    }
    // Mistral's verdicts have categories only.
    const edits = results.every((result) => typeof result.flagged === 'boolean')
      ? {}
      : { results: JSON.stringify(results.map(withFlagged)) };
    return { text: editedMembers(text, edits), usage: readUsage(json.usage), finishReason: undefined };
  },
};

type Verdict = Readonly<Record<string, unknown>> & { readonly categories: Readonly<Record<string, unknown>> };

function isVerdict(value: unknown): value is Verdict {
  return isRecord(value) && isRecord(value.categories);
}

function withFlagged(result: Verdict): Readonly<Record<string, unknown>> {
  return { flagged: Object.values(result.categories).includes(true), ...result };
}
