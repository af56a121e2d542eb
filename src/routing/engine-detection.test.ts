import { expect, test } from 'bun:test';
import { answering, FakeTransport } from '../../test/support/fake-transport.ts';
import { testProvider } from '../../test/support/inference.ts';
import { detectEngines } from './engine-detection.ts';

const refusing = () => new FakeTransport((upstreamCall) => upstreamCall.fail('connect'));

/** What is found when each engine's usual port answers so; nothing listens at the others. */
async function detect(answers: Readonly<Record<string, string>>, ownPorts: readonly number[] = []) {
  const asked: string[] = [];
  const found = await detectEngines((config) => {
    asked.push(config.id);
    const body = answers[config.id];
    return testProvider({ id: config.id, transport: body === undefined ? refusing() : answering(200, body) });
  }, ownPorts);
  return { found: found.map(({ id }) => id), asked };
}
const listing = (owner: string) => JSON.stringify({ data: [{ id: 'm', owned_by: owner }] });

test('engines are identified by the owner in their model lists', async () => {
  const { found } = await detect({
    vllm: listing('vllm'),
    llamacpp: listing('weir'),
    ollama: '{"data":[]}',
    tgi: listing('tgi'),
  });
  expect(found).toEqual(['vllm']);
});

test('ports of this process are skipped', async () => {
  const { found, asked } = await detect({ vllm: listing('vllm') }, [8000]);
  expect([found, asked.includes('vllm')]).toEqual([[], false]);
});
