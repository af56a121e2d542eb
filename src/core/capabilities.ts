/** Abilities that models have or lack, by the names of the configuration and the API. */
export const CAPABILITIES = [
  'tools',
  'vision',
  'audio',
  'files',
  'reasoning',
  'structuredOutput',
  'embeddings',
  'rerank',
] as const;

/** Abilities of a model. Absent means unknown. */
export type ModelCapabilities = { readonly [Name in (typeof CAPABILITIES)[number]]?: boolean };
