// `npm run load`, `soak` and `chaos`: load tests of an installation on this machine. `npm run gameday`: losses and recoveries.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { buildProgram } from './program.mjs';
import { root, runtimeEnvironment, setUp } from './setup.mjs';
import { ensureServices } from './test-services.mjs';

const TESTS = {
  load: 'bench/load-test/frontier.ts',
  soak: 'bench/load-test/soak.ts',
  chaos: 'bench/load-test/chaos.ts',
  gameday: 'test/gameday/main.ts',
};
const [name = 'load', ...args] = process.argv.slice(2);
const file = TESTS[name];
if (file === undefined) {
  console.error(`Unknown test "${name}". Use one of: ${Object.keys(TESTS).join(', ')}.`);
  process.exit(2);
}
const bun = setUp({ withDev: true });
if (name === 'gameday') ensureServices();
const program = buildProgram(bun);
const child = spawn(bun, ['--no-orphans', join(root, file), ...args], {
  stdio: 'inherit',
  env: { ...runtimeEnvironment(), BENCH_PROGRAM: program, ...(program && { WEIR_TEST_PROGRAM: program }) },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  console.error(`Weir: could not start the runtime ${bun}: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
