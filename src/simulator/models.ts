import { ApiError } from './api-error.ts';

/** The models and their uses. Other names that start with `simulator` also work. */
export const MODELS = {
  simulator: 'Chat and completions.',
  'simulator-reasoning': 'Chat with reasoning: `reasoning_content` comes before the content.',
  'simulator-embedding': 'Embeddings of 1536 dimensions, or as many as `dimensions` says.',
  'simulator-rerank': 'Reranking.',
} as const;

/** 2025-01-01 in Unix seconds. */
const CREATED = 1_735_689_600;

/** @returns the body of `GET /models` */
export function listModels(): string {
  return JSON.stringify({ object: 'list', data: Object.keys(MODELS).map(describe) });
}

/** @returns the body of `GET /models/{id}` @throws ApiError with status 404 for an unknown name */
export function describeModel(id: string, base: string): string {
  checkModel(base);
  return JSON.stringify(describe(id));
}

/** Rejects unknown models as OpenAI's API does. @throws ApiError with status 404 */
export function checkModel(base: string): void {
  if (base.startsWith('simulator')) return;
  const names = Object.keys(MODELS).join(', ');
  throw new ApiError(404, {
    message: `The model '${base}' does not exist. The simulator serves ${names}, and names that start with 'simulator'.`,
    type: 'invalid_request_error',
    param: 'model',
    code: 'model_not_found',
  });
}

function describe(id: string) {
  return { id, object: 'model', created: CREATED, owned_by: 'weir' };
}
