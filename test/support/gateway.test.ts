import { afterEach, describe, expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Gateway, type GatewayOptions, startGateway } from './gateway.ts';

const program = fileURLToPath(new URL('./fixtures/fake-gateway.ts', import.meta.url));
const running: Gateway[] = [];

async function start(options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = await startGateway({ program, ...options });
  running.push(gateway);
  return gateway;
}

afterEach(async () => {
  for (const gateway of running.splice(0)) await gateway.stop();
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('startGateway', () => {
  test('gives a clean environment, a folder of its own and the arguments', async () => {
    const gateway = await start({ args: ['serve-flag'], env: { EXTRA: 'x', LOG_FORMAT: undefined } });
    await gateway.waitForOutput(/"arguments"/);
    const [environment, given] = gateway.logs();
    const names: unknown[] = Array.isArray(environment?.names) ? environment.names : [];
    expect(names).toContain('EXTRA');
    expect(names).toContain('WEIR_ADMIN_KEY');
    expect(names).toContain('BUN_CONFIG_MAX_HTTP_REQUESTS');
    expect(names).toContain('MIMALLOC_PURGE_DELAY');
    expect(names).not.toContain('LOG_FORMAT');
    expect(names).not.toContain('WEIR_CONFIG');
    expect(names.filter((name) => /_(API_KEY|ACCESS_KEY_ID|BASE_URL)$/.test(String(name)))).toEqual([]);
    expect(environment?.cwd).not.toBe(process.cwd());
    expect(given?.args).toEqual(['serve', 'serve-flag']);
    expect(gateway.dataDir.startsWith(String(environment?.cwd))).toBe(true);
  });

  test('writes the configuration and removes its folder in the end', async () => {
    const gateway = await start({ config: { server: { port: 1 } } });
    expect(readFileSync(gateway.configPath, 'utf8')).toContain(
      'server:\n  port: 1\nrouting:\n  health:\n    interval: null\n',
    );
    gateway.writeConfig('models: []\n');
    expect(readFileSync(gateway.configPath, 'utf8')).toBe('models: []\n');
    expect(await gateway.stop()).toEqual({ code: 0, signal: null });
    expect(await gateway.stop()).toEqual({ code: 0, signal: null });
    expect(existsSync(gateway.configPath)).toBe(false);
    expect(alive(gateway.pid)).toBe(false);
  });

  test('keeps a data folder that the caller owns', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'weir-test-data-'));
    try {
      const gateway = await start({ dataDir });
      expect(gateway.dataDir).toBe(dataDir);
      await gateway.stop();
      expect(existsSync(dataDir)).toBe(true);
    } finally {
      rmSync(dataDir, { recursive: true });
    }
  });

  test('shows the output of a process that ends at once', async () => {
    const failure = await start({ args: ['fail'] }).catch((error: unknown) => error);
    expect(String(failure)).toContain('ended (code 2, signal null)');
    expect(String(failure)).toContain('unknown key "modles"');
  });

  test('gives up on a process that never gets ready, and ends it', async () => {
    const failure = await start({ args: ['never-ready'], startTimeoutMs: 400 }).catch(
      (error: unknown) => error,
    );
    expect(String(failure)).toContain('was not ready in time');
  });

  test('waits for output, and says so when the process ends without it', async () => {
    const gateway = await start();
    const said = gateway.waitForOutput(/said (\d+)/);
    await fetch(`${gateway.url}/say`);
    expect((await said)[1]).toBe('42');
    const never = gateway.waitForOutput(/no process says this/).catch((error: unknown) => error);
    gateway.signal('SIGTERM');
    expect(String(await never)).toContain('ended without /no process says this/');
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
  });

  test('kills a process that ignores SIGTERM', async () => {
    const gateway = await start({ args: ['stubborn'] });
    expect(await gateway.stop(50)).toEqual({ code: null, signal: 'SIGKILL' });
  });

  test('leaves no process behind when the test process is killed', async () => {
    const source = `
      import { startGateway } from ${JSON.stringify(new URL('./gateway.ts', import.meta.url).href)};
      const gateway = await startGateway({ program: ${JSON.stringify(program)} });
      console.log(JSON.stringify({ pid: gateway.pid, url: gateway.url, configPath: gateway.configPath }));
      setInterval(() => undefined, 1_000);
    `;
    const tester = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await once(tester.stdout, 'data');
    const { url, configPath } = JSON.parse(String(line));
    expect((await fetch(url)).status).toBe(200);
    tester.kill('SIGKILL');
    await once(tester, 'close');
    // Not by its id: that can stay visible after the end where nothing reaps adopted processes.
    const answers = () => fetch(url).then(Boolean, () => false);
    while (await answers()) await new Promise((resolve) => setTimeout(resolve, 10));
    rmSync(join(configPath, '..'), { recursive: true });
  });
});
