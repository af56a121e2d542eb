// `npm run load`, `npm run soak` and `npm run chaos`: load tests of an installation on this machine.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { buildProgram } from './program.mjs';
import { root, runtimeEnvironment, setUp } from './setup.mjs';

const TESTS = { load: 'frontier.ts', soak: 'soak.ts', chaos: 'chaos.ts' };
const [name = 'load', ...args] = process.argv.slice(2);
const file = TESTS[name];
if (file === undefined) {
  console.error(`Unknown test "${name}". Use one of: ${Object.keys(TESTS).join(', ')}.`);
  process.exit(2);
}
const bun = setUp({ withDev: true });
const child = spawn(bun, ['--no-orphans', join(root, 'bench/load-test', file), ...args], {
  stdio: 'inherit',
  env: { ...runtimeEnvironment(), BENCH_PROGRAM: buildProgram(bun) },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  console.error(`Weir: could not start the runtime ${bun}: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
