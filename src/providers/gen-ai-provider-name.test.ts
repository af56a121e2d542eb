import { expect, test } from 'bun:test';
import { FAMILIES } from './families.ts';
import { genAiProviderName } from './gen-ai-provider-name.ts';
import { ENGINES, VENDORS } from './openai-compatible/vendors.ts';

test('providers have the names of OpenTelemetry’s conventions', () => {
  const names = Object.entries(FAMILIES).map(([kind, family]) => [kind, genAiProviderName(family)]);
  expect(Object.fromEntries(names)).toMatchObject({
    openai: 'openai',
    anthropic: 'anthropic',
    'azure-openai': 'azure.ai.openai',
    gemini: 'gcp.gemini',
    bedrock: 'aws.bedrock',
    cohere: 'cohere',
    mistral: 'mistral_ai',
  });
  expect(genAiProviderName({ profile: VENDORS.xai })).toBe('x_ai');
  expect(genAiProviderName({ profile: ENGINES.llamacpp })).toBe('llama.cpp');
});

test('every profile has a name of letters, digits, dots and underscores', () => {
  const profiles = [
    ...Object.values(FAMILIES).map(({ profile }) => profile),
    ...Object.values({ ...VENDORS, ...ENGINES }),
  ];
  for (const profile of profiles) expect(genAiProviderName({ profile })).toMatch(/^[a-z0-9_.]+$/);
});
