import { execFileSync } from 'node:child_process';
import { setUp } from '../../../scripts/setup.mjs';
import { PROGRAM } from '../../support/program.ts';
import { parseObject } from './json.ts';

function command(dataDir: string, args: readonly string[]): Record<string, unknown> {
  const output = execFileSync(
    setUp({ withDev: true }),
    ['--no-env-file', '--no-install', PROGRAM, ...args, '--json'],
    {
      cwd: dataDir,
      env: { PATH: process.env.PATH, HOME: dataDir, WEIR_DATA_DIR: dataDir },
      encoding: 'utf8',
    },
  );
  return parseObject(output);
}

/** Makes a tenant without limits in the stores of `dataDir`, as an operator would. */
export function createTenant(dataDir: string, tenant: string): void {
  command(dataDir, ['tenants', 'create', tenant, '--tier', 'none']);
}

/** Makes an API key in the stores of `dataDir`, as an operator would, and returns its secret. */
export function createApiKey(dataDir: string, name: string, tenant = 'default'): string {
  return String(command(dataDir, ['keys', 'create', '--name', name, '--tenant', tenant]).key);
}
