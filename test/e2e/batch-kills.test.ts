import { afterEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type OpenAI from 'openai';
import { toFile } from 'openai';
import { isRecord } from '../../src/core/json.ts';
import { FULL } from '../support/effort.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { startMockUpstream } from '../support/mock-upstream.ts';
import { completion, eventually, mockConfig } from './harness.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const LINES = FULL ? 10_000 : 300;
const KILLS = 2;
const WITHIN_MS = FULL ? 600_000 : 60_000;
/** 3 input and 2 output tokens, at half the price: 10^-12 US dollars. */
const LINE_PICO = 11_500_000n;
const PICO = 12;

/** @returns 10^-12 US dollars */
function picoOf(dollars: unknown): bigint {
  const [whole = '0', fraction = ''] = String(dollars).split('.');
  return BigInt(whole + fraction.padEnd(PICO, '0'));
}

test(
  'a batch survives two kills: each line has exactly one result, and its cost is the sum',
  async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'weir-batch-kills-'));
    closers.push(() => rmSync(dataDir, { recursive: true, force: true }));
    const mock = await startMockUpstream();
    closers.push(() => mock.close());
    mock.respondAlways(completion());
    const start = async (): Promise<Gateway> => {
      const gateway = await startGateway({
        config: mockConfig(mock.url, {
          prices: [{ model: 'upstream-chat', input: '1', output: '10', batch: '0.5' }],
        }),
        dataDir,
      });
      closers.push(() => gateway.stop());
      return gateway;
    };
    let gateway = await start();
    const text = Array.from({ length: LINES }, (_, at) =>
      JSON.stringify({
        ...{ custom_id: `line-${at}`, method: 'POST', url: '/v1/chat/completions' },
        body: { model: 'chat', messages: [{ role: 'user', content: `Question ${at}` }] },
      }),
    ).join('\n');
    const file = await gateway.openai().files.create({
      ...{ file: await toFile(Buffer.from(text), 'input.jsonl'), purpose: 'batch' },
    });
    const { id } = await gateway.openai().batches.create({
      ...{ input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' },
    });
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const wanted = Math.floor((LINES * kill) / (KILLS + 1));
      await eventually(`${wanted} lines ran`, () => mock.requests.length >= wanted, WITHIN_MS);
      gateway.signal('SIGKILL');
      await gateway.exited;
      gateway = await start();
    }
    let batch: OpenAI.Batch = await gateway.openai().batches.retrieve(id);
    await eventually(
      'the batch ends',
      async () => {
        batch = await gateway.openai().batches.retrieve(id);
        return batch.status === 'completed';
      },
      WITHIN_MS,
    );
    expect(batch.request_counts).toEqual({ total: LINES, completed: LINES, failed: 0 });
    expect(batch.usage).toMatchObject({ input_tokens: 3 * LINES, output_tokens: 2 * LINES });
    const output = await (await gateway.openai().files.content(batch.output_file_id ?? '')).text();
    const results = output
      .trimEnd()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    const ids = results.map((result) => (isRecord(result) ? result.custom_id : undefined));
    // Exactly one for each line, in their order.
    expect(ids).toEqual(Array.from({ length: LINES }, (_, at) => `line-${at}`));
    const costs = results.map((result) =>
      isRecord(result) && isRecord(result.response) ? picoOf(result.response.cost_usd) : 0n,
    );
    expect(new Set(costs)).toEqual(new Set([LINE_PICO]));
    const total: unknown = Reflect.get(batch, 'cost_usd');
    expect(picoOf(total)).toBe(costs.reduce((sum, cost) => sum + cost, 0n));
    // What ran when the process was killed ran again, and nothing else did.
    const repeated = mock.requests.length - LINES;
    expect(repeated).toBeGreaterThanOrEqual(0);
    expect(repeated).toBeLessThanOrEqual(KILLS * 200);
  },
  2 * WITHIN_MS,
);
