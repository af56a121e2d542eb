import { z } from 'zod';
import { MODERATION_CATEGORIES } from '../core/moderation.ts';
import { MAX_REFERENCE_LENGTH, modelName, nullable, section, text } from './fields.ts';

/** The section `moderation`. */
export const moderation = () =>
  section({
    model: nullable(modelName(MAX_REFERENCE_LENGTH)).describe(
      'The model of requests to `/v1/moderations` that name none; null for `omni-moderation-latest`. Where no provider has that one, the rules of Weir classify.',
    ),
    words: z
      .partialRecord(z.enum(MODERATION_CATEGORIES), z.array(text(200)).max(1_000))
      .prefault({})
      .describe(
        `Words and phrases that the rules of Weir flag, by category, whole and in any case: ${MODERATION_CATEGORIES.map((name) => `\`${name}\``).join(', ')}.`,
      ),
  });
