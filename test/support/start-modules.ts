/**
 * Run as a program: constructs a gateway as `weir serve` does, sends it requests one after the other, and prints after
 * each which modules are loaded, as `{ "<step>": ["<path from the root of the checkout>", ...] }`.
 */
import { relative } from 'node:path';
import { CONFIG_CATALOG } from '../../src/app/config-catalog.ts';
import { createGateway } from '../../src/app/gateway.ts';
import { configWithoutFile } from '../../src/config/without-file.ts';
import { systemClock } from '../../src/core/clock.ts';
import { createLog } from '../../src/observability/log.ts';
// What the command loads beside the gateway.
import '../../src/cli/serve.ts';

const root = new URL('../..', import.meta.url).pathname;
const [dataDir = ''] = process.argv.slice(2);
const KEY = 'start-modules-admin-key';
const steps: Record<string, readonly string[]> = {};

function record(step: string): void {
  steps[step] = Object.keys(require.cache).map((path) => relative(root, path));
}

const env = {
  WEIR_ADMIN_KEY: KEY,
  WEIR_DATA_DIR: dataDir,
  WEIR_DETECT_ENGINES: '0',
  LOG_LEVEL: 'silent',
};
const loaded = configWithoutFile({ env, cwd: dataDir, catalog: CONFIG_CATALOG });
const log = createLog({
  level: 'silent',
  format: 'json',
  colour: false,
  wallTime: () => systemClock.wallTime(),
});
const gateway = await createGateway({ env, loaded, clock: systemClock, log, version: '0.0.0' });
const { asHttpRequest, asResponse } = await import('./web-messages.ts');

async function send(path: string, init: RequestInit = {}): Promise<void> {
  const request = new Request(`http://127.0.0.1${path}`, {
    ...init,
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
  });
  const response = asResponse(await gateway.router.handle(asHttpRequest(request)));
  await response.arrayBuffer();
  if (response.status >= 400 && path !== '/health') throw new Error(`${path}: ${response.status}`);
}

record('start');
await send('/health');
await send('/health/live');
record('health');
await send('/v1/chat/completions', {
  method: 'POST',
  body: JSON.stringify({ model: 'simulator', messages: [{ role: 'user', content: 'Hi' }] }),
});
record('chat');
await send('/admin/v1/me');
record('admin');
await send('/openapi.json');
record('description');
await gateway.close();
console.log(JSON.stringify(steps));
process.exit(0);
