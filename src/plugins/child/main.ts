import { setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import { format } from 'node:util';
import { isRecord } from '../../core/json.ts';
import type { PluginHost } from '../contract.ts';
import { hookOf, LoadedPlugin, PluginConfigError } from '../loaded-plugin.ts';
import { ContractError } from '../manifest.ts';
import { MAX_MESSAGE_BYTES, MAX_PRINTED, TOKEN_VARIABLE } from '../messages.ts';
import { thrownText } from '../plugin-failure.ts';

/**
 * The program that runs one plugin. It reads calls from standard input and writes results to standard output, and ends when
 * its input does. What the plugin prints goes to standard error.
 */

/** Reads calls, and writes their results. */
class PluginProgram {
  #plugin: LoadedPlugin | undefined;

  constructor(
    private readonly token: string,
    private readonly write: (text: string) => void,
  ) {}

  receive(line: string): void {
    const message: unknown = JSON.parse(line);
    if (!isRecord(message)) return;
    if (message.type === 'load') void this.#load(message);
    else if (message.type === 'call') void this.#call(message);
    else if (message.type === 'ping') this.send({ type: 'pong' });
    else if (message.type === 'close') void this.#close();
  }

  send(message: Readonly<Record<string, unknown>>): void {
    this.write(`${this.token}${JSON.stringify(message)}\n`);
  }

  async #load(message: Readonly<Record<string, unknown>>): Promise<void> {
    try {
      const exported: unknown = await import(String(message.module));
      this.#plugin = await LoadedPlugin.create(exported, message.config, this.#host(String(message.id)));
      this.send({ type: 'ready', description: this.#plugin.description });
    } catch (thrown) {
      if (thrown instanceof PluginConfigError) this.send({ type: 'rejected', issues: thrown.issues });
      else if (thrown instanceof ContractError) this.send({ type: 'unusable', message: thrown.message });
      else this.send({ type: 'failed', message: thrownText(thrown) });
    }
  }

  async #call(message: Readonly<Record<string, unknown>>): Promise<void> {
    const call = Number(message.call);
    const hook = hookOf(message.hook);
    try {
      if (!this.#plugin || !hook) throw new ContractError('the plugin is not loaded');
      this.#sendResult(call, await this.#plugin.call(hook, message.data));
    } catch (thrown) {
      this.send({ type: 'error', call, message: thrownText(thrown) });
    }
  }

  /** Sends the result of a call. Results that have no JSON, such as circular ones, are errors. */
  #sendResult(call: number, data: unknown): void {
    let text: string;
    try {
      text = JSON.stringify({ type: 'result', call, data });
    } catch (thrown) {
      this.send({ type: 'error', call, message: `the result is not plain data: ${thrownText(thrown)}` });
      return;
    }
    if (Buffer.byteLength(text) > MAX_MESSAGE_BYTES) {
      this.send({ type: 'error', call, message: `the result is larger than ${MAX_MESSAGE_BYTES} bytes` });
    } else this.write(`${this.token}${text}\n`);
  }

  async #close(): Promise<void> {
    try {
      await this.#plugin?.close();
    } catch (thrown) {
      this.send({ type: 'log', level: 'warn', message: `"close" failed: ${thrownText(thrown)}` });
    }
    process.exit(0);
  }

  #host(id: string): PluginHost {
    return {
      id,
      log: (level, message) =>
        this.send({ type: 'log', level, message: String(message).slice(0, MAX_PRINTED) }),
      count: (name, amount = 1) =>
        this.send({ type: 'count', name: String(name).slice(0, 64), amount: Number(amount) }),
    };
  }
}

const token = process.env[TOKEN_VARIABLE] ?? '';
delete process.env[TOKEN_VARIABLE];
const write = process.stdout.write.bind(process.stdout);
const program = new PluginProgram(token, (text) => void write(text));
// Requests of other clients come first where cores are scarce.
setPriority(5);
// What the plugin prints must not mix with results.
const toError = process.stderr.write.bind(process.stderr);
process.stdout.write = toError;
const print = (...parts: readonly unknown[]) => void toError(`${format(...parts)}\n`);
Object.assign(console, { log: print, info: print, debug: print, warn: print, error: print });
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
// A rejection that the plugin does not handle must not end the calls of other requests.
process.on('unhandledRejection', (thrown) =>
  program.send({ type: 'log', level: 'error', message: `unhandled rejection: ${thrownText(thrown)}` }),
);
createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })
  .on('line', (line) => program.receive(line))
  .on('close', () => process.exit(0));
