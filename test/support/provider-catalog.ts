import type { ConfigCatalog } from '../../src/config/catalog.ts';

const VENDORS = ['groq', 'deepseek', 'together', 'openrouter', 'xai'] as const;
const ENGINES = ['vllm', 'sglang', 'tgi', 'ollama', 'llamacpp'] as const;

/** A catalog for tests of the configuration alone, which must not depend on the provider registry. */
export const testCatalog: ConfigCatalog = {
  kinds: ['openai', 'mistral', 'openai-compatible', 'simulator'],
  genericKinds: ['openai-compatible'],
  vendors: VENDORS,
  engines: ENGINES,
  nativeEngines: ['ollama'],
  settings: { region: ['mistral'] },
  required: {},
  interceptors: [],
  builtinIds: ['simulator'],
  builtinModels: ['simulator-chat'],
  defaultBaseUrl: ({ kind, vendor, engine }) => {
    if (kind !== 'openai-compatible') return 'https://api.test/v1';
    if (vendor !== null) return `https://${vendor}.test/v1`;
    return engine === 'ollama' ? 'http://127.0.0.1:11434/v1' : undefined;
  },
};
