import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setUp } from '../../../scripts/setup.mjs';
import { parseObject } from './json.ts';

const program = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

/** Makes an API key in the stores of `dataDir`, as an operator would, and returns its secret. */
export function createApiKey(dataDir: string, name: string, tenant = 'default'): string {
  const args = [
    '--no-env-file',
    '--no-install',
    program,
    'keys',
    'create',
    '--name',
    name,
    '--tenant',
    tenant,
    '--json',
  ];
  const output = execFileSync(setUp({ withDev: true }), args, {
    cwd: dataDir,
    env: { PATH: process.env.PATH, HOME: dataDir, WEIR_DATA_DIR: dataDir },
    encoding: 'utf8',
  });
  return String(parseObject(output).key);
}
