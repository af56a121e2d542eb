import { expect, test } from 'bun:test';
import type { ChatRequest } from '../core/chat/request.ts';
import type { Warning } from '../core/warning.ts';
import { wireParameters as geminiParameters } from './gemini/parameters.ts';
import { familyOf } from './model-families.ts';
import { ollamaParameters } from './ollama/parameters.ts';

const request: ChatRequest = {
  messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
  tools: [
    { type: 'function', name: 'lax', strict: false },
    { type: 'function', name: 'exact', strict: true },
  ],
};

test.each([
  ['Gemini', (warn: (warning: Warning) => void) => geminiParameters(request, familyOf('gemini-3-pro'), warn)],
  ['Ollama', (warn: (warning: Warning) => void) => ollamaParameters(request, 'llama3', warn)],
])('%s has no strict tools, which causes a warning', (_name, build) => {
  const warnings: Warning[] = [];
  build((warning) => warnings.push(warning));
  expect(warnings).toMatchObject([{ kind: 'unsupported', param: 'tools[1].strict' }]);
});
