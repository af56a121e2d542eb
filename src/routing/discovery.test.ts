import { describe, expect, test } from 'bun:test';
import { answering } from '../../test/support/fake-transport.ts';
import { testProvider } from '../../test/support/inference.ts';
import { ModelDiscovery } from './discovery.ts';

const listing = (...ids: string[]) => answering(200, JSON.stringify({ data: ids.map((id) => ({ id })) }));
const provider = (id: string, transport = listing(), discover = true) =>
  testProvider({ id, transport, discover });
const known = (discovery: ModelDiscovery) =>
  Object.fromEntries([...discovery.current].map(([id, models]) => [id, models.map((model) => model.id)]));

describe('ModelDiscovery', () => {
  test('requests the lists of providers with discovery only', async () => {
    const discovery = new ModelDiscovery();
    const silent = listing('x');
    const results = await discovery.refresh([provider('a', listing('m', 'n')), provider('b', silent, false)]);
    expect(results).toEqual([{ provider: 'a', models: 2, error: undefined }]);
    expect([known(discovery), silent.upstreamCalls.length]).toEqual([{ a: ['m', 'n'] }, 0]);
  });

  test('keeps the last list of a provider that fails, and drops a removed one', async () => {
    const discovery = new ModelDiscovery();
    await discovery.refresh([provider('a', listing('m')), provider('b', listing('n'))]);
    const before = discovery.current;
    const results = await discovery.refresh([provider('a', answering(500, 'oops'))]);
    expect(results).toMatchObject([{ provider: 'a', models: 0, error: { code: 'upstream_error' } }]);
    expect(known(discovery)).toEqual({ a: ['m'] });
    expect([...before.keys()]).toEqual(['a', 'b']);
  });
});
