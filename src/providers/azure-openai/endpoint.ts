import type { Target } from '../types.ts';

/** An operation of the API. */
export type AzurePath = '/chat/completions' | '/completions' | '/embeddings' | '/responses';

/** Address of a deployment. */
export interface AzureAddress {
  /**
   * The resource (`https://name.openai.azure.com`), with or without `/openai`, `/openai/v1` or
   * `/openai/deployments/{deployment}` behind it.
   */
  readonly baseUrl: string;
  readonly deployment: string;
  readonly path: AzurePath;
  /** A date selects the classic API; `v1`, `latest`, `preview` or null selects the v1 API. */
  readonly apiVersion?: string | null;
}

const DEPLOYMENT = /\/deployments\/[^/]+$/;
const V1_VERSIONS: ReadonlySet<string> = new Set(['v1', 'latest', 'preview']);

/**
 * The URL of an operation. The classic API has the deployment in the path and its version in the query. The v1 API has the
 * deployment in the body as `model`. The Responses API exists in v1 only.
 */
export function azureUrl({ baseUrl, deployment, path, apiVersion }: AzureAddress): string {
  const base = baseUrl.replace(/\/+$/, '');
  const version = apiVersion?.trim() ?? '';
  if (base.endsWith('/openai/v1')) return base + path + previewOf(version);
  const named = DEPLOYMENT.test(base);
  const resource = base.replace(DEPLOYMENT, '').replace(/\/openai$/, '');
  if (path === '/responses' || (!named && (version === '' || V1_VERSIONS.has(version)))) {
    return `${resource}/openai/v1${path}${previewOf(version)}`;
  }
  const classic = named ? base : `${resource}/openai/deployments/${encodeURIComponent(deployment)}`;
  return `${classic}${path}${version === '' ? '' : `?api-version=${encodeURIComponent(version)}`}`;
}

/** The URL of the models that a resource offers. They are not its deployments, of which there is no list. */
export function azureModelsUrl({
  baseUrl,
  apiVersion,
}: Pick<AzureAddress, 'baseUrl' | 'apiVersion'>): string {
  const base = baseUrl.replace(/\/+$/, '');
  const version = apiVersion?.trim() ?? '';
  const resource = base.replace(DEPLOYMENT, '').replace(/\/openai(?:\/v1)?$/, '');
  if (base.endsWith('/openai/v1') || version === '' || V1_VERSIONS.has(version)) {
    return `${resource}/openai/v1/models${previewOf(version)}`;
  }
  return `${resource}/openai/models?api-version=${encodeURIComponent(version)}`;
}

function previewOf(version: string): string {
  return version === 'preview' ? '?api-version=preview' : '';
}

/** The endpoint of one operation, for the formats of OpenAI's APIs. A target's model is the name of its deployment. */
export function azureEndpoint(
  { apiVersion }: Pick<AzureAddress, 'apiVersion'>,
  path: AzurePath,
): (target: Target) => string {
  return ({ provider, model }) =>
    azureUrl({ baseUrl: provider.baseUrl, deployment: model, path, apiVersion: apiVersion ?? null });
}
