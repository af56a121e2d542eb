import { afterEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FULL } from '../support/effort.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { eventually } from './harness.ts';

/** Gateways that are killed while they export. A lease of a minute ends before the next one continues. */

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const REQUESTS = 20;
const WITHIN_MS = 300_000;

test.skipIf(!FULL)(
  'logged requests all arrive, repeated with the same id, although two gateways are killed while they send',
  async () => {
    let doesRespond = false;
    const batches: { id: string }[][] = [];
    const receiver = createServer(async (request, response) => {
      let text = '';
      for await (const part of request.setEncoding('utf8')) text += part;
      batches.push(JSON.parse(text));
      if (doesRespond) response.end();
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    closers.push(
      () => receiver.closeAllConnections(),
      () => receiver.close(),
    );
    const address = receiver.address();
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`;
    const dataDir = mkdtempSync(join(tmpdir(), 'weir-export-kills-'));
    closers.push(() => rmSync(dataDir, { recursive: true, force: true }));
    const start = async (): Promise<Gateway> => {
      const gateway = await startGateway({
        config: {
          exports: [
            {
              id: 'log',
              type: 'http',
              source: 'request_log',
              url,
              format: 'json',
              every: '1s',
              max_records: 5,
            },
          ],
        },
        env: { WEIR_WEBHOOKS_ALLOW_PRIVATE: '1' },
        dataDir,
      });
      closers.push(() => gateway.stop());
      return gateway;
    };
    let gateway = await start();
    const admin = async (method: string, path: string, body?: unknown) => {
      const response = await fetch(`${gateway.url}/admin/v1/tenants/default${path}`, {
        method,
        headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return response.json();
    };
    await admin('PATCH', '', { request_log: {} });
    for (let count = 0; count < REQUESTS; count += 1) {
      await gateway.openai().chat.completions.create({
        model: 'simulator',
        messages: [{ role: 'user', content: `Question ${count}` }],
      });
    }
    const isStored = async () => (await admin('GET', '/request-log?limit=100')).data.length === REQUESTS;
    await eventually('all requests are logged', isStored, WITHIN_MS);
    for (let kills = 1; kills <= 2; kills += 1) {
      await eventually('a batch is under way', () => batches.length >= kills, WITHIN_MS);
      gateway.signal('SIGKILL');
      await gateway.exited;
      doesRespond = kills === 2;
      gateway = await start();
    }
    const ids = () => new Set(batches.flat().map(({ id }) => id));
    await eventually('all requests arrive', () => ids().size === REQUESTS, WITHIN_MS);
    const [first = [], second = []] = batches;
    // The second gateway begins where the first one did.
    expect(second.slice(0, first.length)).toEqual(first);
  },
  2 * WITHIN_MS,
);
