import { expect, test } from 'bun:test';
import { loadText } from '../../../test/support/config-source.ts';
import { checkEmbedder } from './embedder.ts';

const configOf = (cache: string) => loadText(`storage: { data_dir: /nowhere }\ncache: ${cache}`).config;

test('a missing embedder is a warning that says what to do', async () => {
  const [finding] = await checkEmbedder(configOf('{ semantic: {} }'));
  expect(finding).toMatchObject({ check: 'embedder', level: 'warning' });
  expect(`${finding?.message} ${finding?.advice}`).toContain('weir models pull embedder');
});

test('nothing is checked where the built-in embedder is not used', async () => {
  expect(await checkEmbedder(configOf('{}'))).toEqual([]);
});
