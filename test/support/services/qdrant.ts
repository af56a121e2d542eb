import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PACKAGE = 'qdrant-client==1.20.0';

export interface TestQdrant {
  readonly url: string;
  stop(): void;
}

/**
 * Starts Qdrant's engine of the Python client behind HTTP. Its package is downloaded once for the machine.
 * @returns undefined where Python or the registry is not reachable; tests say so and skip
 */
export async function startQdrant(): Promise<TestQdrant | undefined> {
  const folder = join(tmpdir(), 'weir-test-qdrant');
  if (!existsSync(join(folder, 'qdrant_client'))) {
    mkdirSync(folder, { recursive: true });
    const args = ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', '--target', folder, PACKAGE];
    const installed = spawnSync('python3', args, { encoding: 'utf8' });
    if (installed.status !== 0) {
      const reason = installed.stderr?.trim().split('\n').at(-1) ?? String(installed.error);
      process.stderr.write(`SKIPPED: tests on Qdrant's engine, which cannot be installed: ${reason}\n`);
      return undefined;
    }
  }
  const script = join(import.meta.dirname, 'qdrant-engine.py');
  const child = spawn('python3', [script], { env: { ...process.env, PYTHONPATH: folder } });
  const port = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').once('data', (text: string) => resolve(text.trim()));
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    child.once('exit', () => reject(new Error(`the engine did not start: ${said}`)));
  });
  return { url: `http://127.0.0.1:${port}`, stop: () => child.kill() };
}
