// `npm run bench`: makes sure that packages and runtime are there, then runs the benchmark on that runtime.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { buildProgram } from './program.mjs';
import { root, runtimeEnvironment, setUp } from './setup.mjs';

const bun = setUp({ withDev: true });
const child = spawn(bun, [join(root, 'bench/main.ts'), ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...runtimeEnvironment(), BENCH_PROGRAM: buildProgram(bun) },
});
// The benchmark stops what it started before it ends; this process only waits for that.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  console.error(`Weir: could not start the runtime ${bun}: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
