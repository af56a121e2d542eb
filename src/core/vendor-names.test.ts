import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Names of vendors, engines and products. `core` is about none of them. */
const NAMES =
  /openai|anthropic|claude|gemini|vertex|bedrock|cohere|mistral|deepseek|openrouter|groq|vllm|sglang|ollama|llama|simulator|weir/i;

test('core names no vendor and no product', () => {
  const files = readdirSync(import.meta.dir, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
  );
  expect(files.length).toBeGreaterThan(20);
  const named = files.flatMap((file) =>
    readFileSync(join(import.meta.dir, file), 'utf8')
      .split('\n')
      .flatMap((line, index) => (NAMES.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
  );
  expect(named).toEqual([]);
});
