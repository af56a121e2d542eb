import type { Provider } from './types.ts';

/** The names that OpenTelemetry's conventions define, by the label of the vendor's profile. */
const WELL_KNOWN: Readonly<Record<string, string>> = {
  OpenAI: 'openai',
  Anthropic: 'anthropic',
  'Azure OpenAI': 'azure.ai.openai',
  'Google Gemini': 'gcp.gemini',
  'Amazon Bedrock': 'aws.bedrock',
  Cohere: 'cohere',
  Mistral: 'mistral_ai',
  Groq: 'groq',
  DeepSeek: 'deepseek',
  xAI: 'x_ai',
};

/**
 * The value of `gen_ai.provider.name`: OpenTelemetry's name where it has one, else the profile's label in its style, such
 * as `vllm` and `llama.cpp`.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
 */
export function genAiProviderName({ profile: { label } }: Pick<Provider, 'profile'>): string {
  return WELL_KNOWN[label] ?? label.toLowerCase().replace(/[^a-z0-9.]+/g, '_');
}
