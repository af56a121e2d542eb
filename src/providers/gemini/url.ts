import type { Provider, Target } from '../types.ts';

/** Which of Google's two doors it is. */
export interface GeminiHost {
  readonly vertex: boolean;
}

export const GEMINI_URL = 'https://generativelanguage.googleapis.com/v1beta';

/** Where Vertex AI serves Google's models to a project. */
export function vertexUrl(project: string, location: string): string {
  const host = location === 'global' ? 'aiplatform.googleapis.com' : `${location}-aiplatform.googleapis.com`;
  return `https://${host}/v1/projects/${project}/locations/${location}/publishers/google`;
}

/** The URL of a model's method. */
export function methodUrl({ provider, model }: Target, _host: GeminiHost, method: string): string {
  return `${provider.baseUrl}/models/${encodeURIComponent(model.replace(/^models\//, ''))}:${method}`;
}

export function modelsUrl({ baseUrl }: Pick<Provider, 'baseUrl'>): string {
  return `${baseUrl}/models?pageSize=1000`;
}
