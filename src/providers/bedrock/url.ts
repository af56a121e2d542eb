import type { Target } from '../types.ts';

/** @returns the URL of an operation on a model, whose id may be an ARN */
export function modelUrl({ provider, model }: Target, operation: string): string {
  return `${provider.baseUrl}/model/${encodeURIComponent(model)}/${operation}`;
}

/** @returns the base URL of a region */
export function bedrockUrl(region: string): string {
  return `https://bedrock-runtime.${region}.amazonaws.com`;
}
