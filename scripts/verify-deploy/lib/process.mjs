// Runs programs for checks.
import { spawn } from 'node:child_process';

/** Output of one stream that is kept, in characters. A tool that prints more has its middle left out. */
const MAX_OUTPUT = 2_000_000;

/** A program ended with another exit code than 0, or did not start. */
export class CommandFailed extends Error {
  /**
   * @param {string} message what failed, with the end of the output
   * @param {{ code: number, stdout: string, stderr: string }} output
   */
  constructor(message, output) {
    super(message);
    this.name = 'CommandFailed';
    this.output = output;
  }
}

/** What npm tells the scripts that it starts: an npm that inherits it works on this checkout instead of its own folder. */
const OF_NPM = /^npm_(?:lifecycle_|package_|command$|execpath$|config_(?:local_prefix|loglevel)$)/;

/** This process's environment, as if npm had not started it. */
export const cleanEnvironment = () =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !OF_NPM.test(name)));

/** The last lines of a text, which is where tools print their errors. */
export const lastLines = (text, count = 15) => text.trim().split('\n').slice(-count).join('\n');

/**
 * Runs a program and waits for its end. Its process group is killed at the time limit.
 * @param {string[]} command program and arguments; no shell reads them
 * @param {{ cwd?: string, env?: Record<string, string>, input?: string, timeoutMs?: number, ok?: number[] }} [options]
 *   env: added to this process's environment; timeoutMs: 10 minutes by default; ok: exit codes that are no failure, [0] by default
 * @returns {Promise<{ code: number, stdout: string, stderr: string }>}
 * @throws {CommandFailed} for another exit code, a program that is missing, or the time limit
 */
export function run(command, { cwd, env = {}, input, timeoutMs = 600_000, ok = [0] } = {}) {
  const [file, ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd,
      env: { ...cleanEnvironment(), ...env },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      detached: true,
    });
    const output = { code: -1, stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) {
      child[name].setEncoding('utf8');
      child[name].on('data', (text) => {
        output[name] += text;
        if (output[name].length > MAX_OUTPUT) {
          output[name] =
            `${output[name].slice(0, MAX_OUTPUT / 4)}\n...\n${output[name].slice(-MAX_OUTPUT / 4)}`;
        }
      });
    }
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      process.kill(-child.pid, 'SIGKILL');
    }, timeoutMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new CommandFailed(`${file}: ${error.message}`, output));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      output.code = code ?? -1;
      if (ok.includes(output.code)) return resolve(output);
      const end = timedOut ? `exceeded ${timeoutMs / 1000} s` : `ended with ${code ?? signal}`;
      const said = lastLines(`${output.stdout}\n${output.stderr}`);
      reject(new CommandFailed(`${command.join(' ')} ${end}\n${said}`, output));
    });
    if (input !== undefined) {
      // A program that ends before it has read its input is judged by its exit code.
      child.stdin.on('error', () => undefined);
      child.stdin.end(input);
    }
  });
}
