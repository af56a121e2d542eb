#!/usr/bin/env node
// The `weir` command: makes sure that packages and runtime are there, then becomes (or runs) the program.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { buildConsole } from '../scripts/console.mjs';
import { buildGuideBeside } from '../scripts/guide.mjs';
import { buildProgram } from '../scripts/program.mjs';
import { runtimeEnvironment, setUp } from '../scripts/setup.mjs';

const bun = setUp();
if (['serve', 'demo'].includes(process.argv[2])) {
  buildConsole(bun);
  buildGuideBeside();
}
const args = [buildProgram(bun), ...process.argv.slice(2)];
const env = runtimeEnvironment();

// npm passes signals to the shell that it starts scripts with, and most shells don't pass them on.
const behindNpmShell = process.env.npm_lifecycle_event !== undefined && process.platform !== 'win32';

if (typeof process.execve === 'function' && process.platform !== 'win32' && !behindNpmShell) {
  process.execve(bun, [bun, ...args], env);
}
// SIGKILL cannot be passed on: the runtime watches this process, and ends when it is gone.
const child = spawn(bun, ['--no-orphans', ...args], { stdio: 'inherit', env });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']) {
  process.on(signal, () => child.kill(signal));
}
if (behindNpmShell) {
  // The only visible effect of such a signal is that the shell, or npm above it, is gone.
  const shell = process.ppid;
  const npm = parentOf(shell);
  const watch = setInterval(() => {
    if (process.ppid === shell && parentOf(shell) === npm) return;
    clearInterval(watch);
    child.kill('SIGTERM');
  }, 200);
}

/** The parent of a process, where the system tells it in a file. */
function parentOf(pid) {
  try {
    return /^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  } catch {
    // No such file system, or the process has just ended: its own parent's id tells.
    return undefined;
  }
}

child.on('error', (error) => {
  console.error(`Weir: could not start the runtime ${bun}: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
