import type { VendorProfile } from '../types.ts';

/**
 * Everything that differs between vendors and engines that speak OpenAI's format. A new one is a new row.
 * Facts are from each vendor's API reference; `streamUsage` was checked against recorded traffic where there is some.
 */
export const VENDORS = {
  openai: {
    label: 'OpenAI',
    baseUrl: 'https://api.openai.com/v1',
    environment: { key: 'OPENAI_API_KEY', baseUrl: 'OPENAI_BASE_URL' },
    streamUsage: 'on-request',
    modelPattern: /^(?:gpt-|chatgpt-|o\d|text-embedding-|davinci-|babbage-|ft:)/,
    needsKey: true,
  },
  mistral: {
    label: 'Mistral',
    baseUrl: 'https://api.mistral.ai/v1',
    environment: { key: 'MISTRAL_API_KEY', baseUrl: 'MISTRAL_BASE_URL' },
    streamUsage: 'always',
    floatEmbeddingsOnly: true,
    modelPattern: /^(?:(?:open-)?(?:mi[sx]tral|codestral|ministral|magistral|devstral|pixtral|voxtral)-)/,
    needsKey: true,
  },
  groq: {
    label: 'Groq',
    baseUrl: 'https://api.groq.com/openai/v1',
    environment: { key: 'GROQ_API_KEY', baseUrl: 'GROQ_BASE_URL' },
    streamUsage: 'on-request',
    needsKey: true,
  },
  deepseek: {
    label: 'DeepSeek',
    baseUrl: 'https://api.deepseek.com',
    environment: { key: 'DEEPSEEK_API_KEY', baseUrl: 'DEEPSEEK_BASE_URL' },
    streamUsage: 'on-request',
    modelPattern: /^deepseek-(?:chat|reasoner)$/,
    needsKey: true,
  },
  together: {
    label: 'Together',
    baseUrl: 'https://api.together.xyz/v1',
    environment: { key: 'TOGETHER_API_KEY', baseUrl: 'TOGETHER_BASE_URL' },
    streamUsage: 'on-request',
    floatEmbeddingsOnly: true,
    needsKey: true,
  },
  openrouter: {
    label: 'OpenRouter',
    baseUrl: 'https://openrouter.ai/api/v1',
    environment: { key: 'OPENROUTER_API_KEY', baseUrl: 'OPENROUTER_BASE_URL' },
    streamUsage: 'always',
    needsKey: true,
  },
  xai: {
    label: 'xAI',
    baseUrl: 'https://api.x.ai/v1',
    environment: { key: 'XAI_API_KEY', baseUrl: 'XAI_BASE_URL' },
    streamUsage: 'on-request',
    modelPattern: /^grok-/,
    needsKey: true,
  },
} as const satisfies Record<string, VendorProfile>;

/** Serving engines on people's own machines. `ownedBy` is what they write into their model lists. */
export const ENGINES = {
  vllm: {
    label: 'vLLM',
    baseUrl: 'http://127.0.0.1:8000/v1',
    streamUsage: 'on-request',
    localEngine: { port: 8000, ownedBy: 'vllm' },
    needsKey: false,
  },
  sglang: {
    label: 'SGLang',
    baseUrl: 'http://127.0.0.1:30000/v1',
    streamUsage: 'on-request',
    localEngine: { port: 30000, ownedBy: 'sglang' },
    needsKey: false,
  },
  tgi: {
    label: 'TGI',
    baseUrl: 'http://127.0.0.1:3000/v1',
    streamUsage: 'on-request',
    floatEmbeddingsOnly: true,
    localEngine: { port: 3000 },
    needsKey: false,
  },
  ollama: {
    label: 'Ollama',
    baseUrl: 'http://127.0.0.1:11434/v1',
    streamUsage: 'on-request',
    floatEmbeddingsOnly: true,
    localEngine: { port: 11434, ownedBy: 'library' },
    needsKey: false,
  },
  llamacpp: {
    label: 'llama.cpp',
    baseUrl: 'http://127.0.0.1:8080/v1',
    streamUsage: 'on-request',
    localEngine: { port: 8080, ownedBy: 'llamacpp' },
    needsKey: false,
  },
} as const satisfies Record<string, VendorProfile>;

/** Any other server that speaks the format. */
export const GENERIC: VendorProfile = {
  label: 'OpenAI-compatible server',
  streamUsage: 'on-request',
  needsKey: false,
};
