import { expect, test } from 'bun:test';
import { FULL } from '../support/effort.ts';
import { gatewayInProcess } from '../support/gateway-in-process.ts';
import { usedBytes } from '../support/used-bytes.ts';

const target = (model: string) => ({ provider: 'simulator', model });

const COUNT = FULL ? 100_000 : 20_000;
/** Names in requests before the first measurement: they compile the code and fill the lists that are bounded. */
const FIRST = 12_000;
/** Names between two measurements. */
const PART = (COUNT - FIRST) / 4;

test('any number of sessions, users, cache keys, tags and unknown models leave nothing behind', async () => {
  const {
    call,
    close,
    adminKey: key,
  } = await gatewayInProcess({
    config: {
      models: ['consistent-hash', 'prefix-affinity'].map((strategy) => ({
        id: strategy,
        strategy,
        targets: [target('simulator-a'), target('simulator-b')],
      })),
    },
  });
  const used: number[] = [];
  for (let sent = 0; sent < COUNT; sent += 1) {
    if (sent >= FIRST && (sent - FIRST) % PART === 0) used.push(usedBytes());
    const isUnknown = sent % 16 === 3;
    const { status } = await call('POST', '/v1/chat/completions', {
      key,
      // Limits of addresses keep a bounded number of others.
      address: '127.0.0.1',
      headers: {
        'x-weir-session': `session-${sent}`,
        'x-weir-tags': `a=${sent},b=${sent}`,
      },
      body: {
        model: isUnknown ? `unknown-${sent}` : sent % 2 === 0 ? 'consistent-hash' : 'prefix-affinity',
        messages: [{ role: 'user', content: `${sent}` }],
        user: `user-${sent}`,
        prompt_cache_key: `cache-${sent}`,
        max_tokens: 1,
      },
    });
    if (status !== (isUnknown ? 404 : 200)) throw new Error(`status ${status}`);
  }
  used.push(usedBytes());
  await close();
  const grown = used.slice(1).map((bytes, part) => bytes - (used[part] ?? 0));
  // One string for each session, user or tag would be more, in every part. Other tests of this process may add to one.
  expect(Math.min(...grown)).toBeLessThan(PART * 50);
}, 120_000);
