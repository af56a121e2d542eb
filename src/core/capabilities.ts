/** What models differ in, by the names that the configuration and the API use. */
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

/** What a model can do. Absent means not known. */
export type ModelCapabilities = { readonly [Name in (typeof CAPABILITIES)[number]]?: boolean };
