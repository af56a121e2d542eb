import { ApiError } from './api-error.ts';

/** The models by name, with what each is for. Other names that start with `simulator` work too. */
export const MODELS = {
  simulator: 'Chat and completions.',
  'simulator-reasoning': 'Chat with reasoning: `reasoning_content` comes before the content.',
  'simulator-embedding': 'Embeddings of 1536 dimensions, or as many as `dimensions` says.',
  'simulator-rerank': 'Reranking.',
} as const;

/** 2025-01-01, in seconds since the Unix epoch. */
const CREATED = 1_735_689_600;

/** The body of `GET /models`. */
export function listModels(): string {
  return JSON.stringify({ object: 'list', data: Object.keys(MODELS).map(describe) });
}

/** The body of `GET /models/{id}`. Throws a 404 for a name that the simulator does not serve. */
export function describeModel(id: string, base: string): string {
  checkModel(base);
  return JSON.stringify(describe(id));
}

/** Throws the 404 that OpenAI's API gives for an unknown model. */
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
