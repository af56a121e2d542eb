import { z } from 'zod';
import { PRESETS, ttl } from './cache-schema.ts';
import { boolean } from './fields.ts';

/** What Weir does so that providers serve repeated prompts from their caches. `false` and null do nothing. */
export const promptCaching = () =>
  z.preprocess(
    (value) => (value === false ? null : value === true ? {} : value),
    z
      .strictObject({
        breakpoints: boolean()
          .prefault(true)
          .describe(
            'Marks prefixes that a tenant sent within five minutes before, for Claude at Anthropic and for Claude and Nova at Bedrock. Requests with markers of the client are not changed.',
          ),
        keys: boolean()
          .prefault(true)
          .describe(
            'Adds `prompt_cache_key` to requests to OpenAI that have none: one key for each tenant and session.',
          ),
        sticky: ttl(0)
          .prefault('10m')
          .describe(
            `For how long the account or target that has processed a prompt of 1,024 tokens or more is preferred for prompts with the same beginning, with the strategies \`power-of-two\` and \`least-inflight\`: a duration, or a preset: ${PRESETS}. 0s disables it.`,
          ),
      })
      .nullable(),
  );
