import type { Provider, Target } from '../types.ts';

/** Google's two APIs. */
export interface GeminiHost {
  readonly vertex: boolean;
}

/** Base URL of the Gemini API. */
export const GEMINI_URL = 'https://generativelanguage.googleapis.com/v1beta';

/** @returns the base URL of Vertex AI for a project and location */
export function vertexUrl(project: string, location: string): string {
  const host = location === 'global' ? 'aiplatform.googleapis.com' : `${location}-aiplatform.googleapis.com`;
  return `https://${host}/v1/projects/${project}/locations/${location}/publishers/google`;
}

/** @returns the URL of a model's method */
export function methodUrl({ provider, model }: Target, _host: GeminiHost, method: string): string {
  return `${provider.baseUrl}/models/${encodeURIComponent(model.replace(/^models\//, ''))}:${method}`;
}

/** @returns the URL of the model list */
export function modelsUrl({ baseUrl }: Pick<Provider, 'baseUrl'>): string {
  return `${baseUrl}/models?pageSize=1000`;
}
