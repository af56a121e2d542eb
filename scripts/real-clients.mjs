// `npm run agents`, `npm run clients`, `npm run real`: makes sure that packages and runtime are there, then runs
// real clients or a real engine with Weir. Arguments after the name select some of them.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { root, runtimeEnvironment, setUp } from './setup.mjs';

const [name, ...args] = process.argv.slice(2);
if (!['agents', 'clients', 'real'].includes(name)) {
  console.error(`Unknown suite "${name}". Use one of: agents, clients, real.`);
  process.exit(2);
}
const bun = setUp({ withDev: true });
const child = spawn(bun, ['--no-orphans', join(root, 'test', name, 'main.ts'), ...args], {
  stdio: 'inherit',
  env: runtimeEnvironment(),
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  console.error(`Weir: could not start the runtime ${bun}: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
