#!/usr/bin/env node
// The `weir` command: makes sure that packages and runtime are there, then becomes (or runs) the program.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { root, runtimeEnvironment, setUp } from '../scripts/setup.mjs';

const bun = setUp();
const args = [join(root, 'src/main.ts'), ...process.argv.slice(2)];
const env = runtimeEnvironment();

// npm passes signals to the shell that it starts scripts with, and most shells don't pass them on.
const behindNpmShell = process.env.npm_lifecycle_event !== undefined && process.platform !== 'win32';

if (typeof process.execve === 'function' && process.platform !== 'win32' && !behindNpmShell) {
  process.execve(bun, [bun, ...args], env);
}
const child = spawn(bun, args, { stdio: 'inherit', env });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']) {
  process.on(signal, () => child.kill(signal));
}
if (behindNpmShell) {
  // What is left to see of such a signal is that the shell has gone.
  const shell = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(watch);
    child.kill('SIGTERM');
  }, 200);
}
child.on('error', (error) => {
  console.error(`Weir: could not start the runtime ${bun}: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
