import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Names of vendors, engines and products. `core` is about none of them. */
const NAMES =
  /openai|anthropic|claude|gemini|vertex|bedrock|cohere|mistral|deepseek|openrouter|groq|vllm|sglang|ollama|llama|simulator|weir/i;

/** Of services for guardrails, too. */
const SERVICES =
  /openai|anthropic|claude|gemini|vertex|bedrock|cohere|mistral|azure|lakera|presidio|model-?armor/i;

/** @returns the lines of the files below a folder of `src` that match */
function linesNaming(folder: string, names: RegExp, isMeant: (file: string) => boolean): readonly string[] {
  const root = join(import.meta.dir, '..', folder);
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && isMeant(file),
  );
  expect(files.length).toBeGreaterThan(5);
  return files.flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .flatMap((line, index) => (names.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
  );
}

test('core names no vendor and no product', () => {
  expect(linesNaming('core', NAMES, () => true)).toEqual([]);
});

test('guardrails name services in their folder of providers alone', () => {
  // Phrases of attacks name assistants.
  const isMeant = (file: string) => !file.startsWith('providers') && !file.startsWith('injection');
  expect(linesNaming('guardrails', SERVICES, isMeant)).toEqual([]);
  expect(linesNaming('plugins', SERVICES, () => true)).toEqual([]);
});
