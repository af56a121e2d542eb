// Starts servers for checks, and stops them.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastLines } from './process.mjs';

/** @returns {Promise<number>} a port of 127.0.0.1 that nothing listens on */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export class Service {
  #output = '';
  #exit;

  /**
   * @param {string[]} command
   * @param {{ cwd?: string, env?: Record<string, string> }} [options] env: the whole environment, not added to this process's
   */
  constructor(command, { cwd, env } = {}) {
    this.command = command;
    this.startedAt = performance.now();
    const [file, ...args] = command;
    this.child = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        this.#output = (this.#output + text).slice(-100_000);
      });
    }
    this.#exit = new Promise((resolve) => {
      this.child.on('error', (error) => resolve(error.message));
      this.child.on('exit', (code, signal) => resolve(code ?? signal));
    });
  }

  get output() {
    return this.#output;
  }

  /** @returns {Promise<number | string>} the exit code, or the signal */
  get exited() {
    return this.#exit;
  }

  /**
   * Waits until a URL returns 200.
   * @param {string} url
   * @param {number} [timeoutMs]
   * @returns {Promise<number>} milliseconds since the start
   * @throws {Error} with the end of the output, when the program ended or the time is over
   */
  async ready(url, timeoutMs = 30_000) {
    let ended;
    this.#exit.then((how) => {
      ended = how;
    });
    while (performance.now() - this.startedAt < timeoutMs) {
      if (ended !== undefined)
        throw new Error(`${this.command[0]} ended with ${ended}\n${lastLines(this.#output)}`);
      const status = await fetch(url).then(
        (response) => response.status,
        () => 0,
      );
      if (status === 200) return performance.now() - this.startedAt;
      await sleep(10);
    }
    throw new Error(`${url} did not return 200 within ${timeoutMs / 1000} s\n${lastLines(this.#output)}`);
  }

  /**
   * Sends SIGTERM, and SIGKILL to the process group after the grace period.
   * @returns {Promise<number | string>} the exit code, or the signal
   */
  async stop(graceMs = 10_000) {
    const group = -this.child.pid;
    const timer = setTimeout(() => killGroup(group, 'SIGKILL'), graceMs);
    killGroup(group, 'SIGTERM');
    const how = await this.#exit;
    clearTimeout(timer);
    killGroup(group, 'SIGKILL');
    return how;
  }
}

function killGroup(group, signal) {
  try {
    process.kill(group, signal);
  } catch (error) {
    // The group has ended already.
    if (error.code !== 'ESRCH') throw error;
  }
}
