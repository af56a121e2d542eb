import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { asString, isRecord, listOf, parseJsonText } from '../core/json.ts';
import { findJsonExcess } from '../core/json-limits.ts';
import {
  type MessageProcess,
  type SpawnMessageProcess,
  spawnMessageProcess,
} from '../platform/message-process.ts';
import type { Hook } from './loaded-plugin.ts';
import { ContractError, readManifest } from './manifest.ts';
import { MAX_MESSAGE_BYTES, MAX_PRINTED, TOKEN_VARIABLE, type ToPlugin } from './messages.ts';
import type { PluginConfigIssue } from './plugin-config.ts';
import { PluginFailure } from './plugin-failure.ts';
import type { InstanceEvents, InstanceSettings, LoadOutcome, PluginInstance } from './plugin-instance.ts';

const PROGRAM = fileURLToPath(new URL('./child/main.ts', import.meta.url));
/** Calls that wait for a result; more fail at once. */
const MAX_CALLS = 256;
/** Lines of a plugin that are logged in one second. */
const MAX_LINES = 50;
/** UTF-16 units: shorter messages are parsed in no time, whatever they hold. */
const SHORT_MESSAGE = 2_048;
/** Messages other than results, in one second: more would cost requests their time. */
const MAX_MESSAGES = 5_000;
/** A process that says nothing for this long while a call is late, not even to a ping, is stuck. Milliseconds. */
const PONG_TIMEOUT_MS = 1_000;
/** How long `close` may take. Milliseconds. */
const CLOSE_MS = 1_000;

interface OpenCall {
  readonly resolve: (data: unknown) => void;
  readonly reject: (failure: PluginFailure) => void;
  readonly timer: NodeJS.Timeout;
}

/** A plugin in a process of its own. */
export class ChildInstance implements PluginInstance {
  readonly loaded: Promise<LoadOutcome>;
  readonly #calls = new Map<number, OpenCall>();
  readonly #process: MessageProcess;
  readonly #exited = Promise.withResolvers<void>();
  #finishLoad: (outcome: LoadOutcome) => void;
  #isLoading = true;
  #isClosed = false;
  #isStuck = false;
  #lastCall = 0;
  #logSecond = 0;
  #logged = 0;
  #messages = 0;
  /** Why its messages cost too much; undefined while they do not. */
  #flood: string | undefined;
  /** Set while an answer to a ping is due. */
  #silence: NodeJS.Timeout | undefined;
  readonly #loadTimer: NodeJS.Timeout;

  constructor(
    private readonly settings: InstanceSettings,
    private readonly events: InstanceEvents,
    start: SpawnMessageProcess = spawnMessageProcess,
  ) {
    const loading = Promise.withResolvers<LoadOutcome>();
    this.loaded = loading.promise;
    this.#finishLoad = (outcome) => {
      if (!this.#isLoading) return;
      this.#isLoading = false;
      clearTimeout(this.#loadTimer);
      if (outcome.kind !== 'ready') this.#end();
      loading.resolve(outcome);
    };
    const { loadTimeoutMs } = settings;
    this.#loadTimer = setTimeout(
      () => this.#finishLoad({ kind: 'failed', message: `it did not load within ${loadTimeoutMs} ms` }),
      loadTimeoutMs,
    );
    const token = `\x1e${randomBytes(12).toString('hex')} `;
    this.#process = start(
      {
        program: PROGRAM,
        env: { ...settings.env, [TOKEN_VARIABLE]: token },
        cwd: settings.folder,
        memoryLimit: settings.memoryLimit,
        token,
        maxLine: MAX_MESSAGE_BYTES + 1_000,
      },
      {
        onMessage: (line) => this.#receive(line),
        onPrinted: (line) => this.#log('debug', line),
        onExit: (how, reason) => this.#processEnded(how, reason),
      },
    );
    this.#send({ type: 'load', module: settings.module, id: settings.id, config: settings.config });
  }

  get memory(): number {
    return this.#process.memory;
  }

  call(hook: Hook, data: unknown, timeoutMs: number): Promise<unknown> {
    if (this.#isClosed) return Promise.reject(new PluginFailure('exit', 'its process has ended'));
    if (this.#calls.size >= MAX_CALLS) {
      return Promise.reject(new PluginFailure('unavailable', `${MAX_CALLS} calls are in flight`));
    }
    this.#lastCall += 1;
    const call = this.#lastCall;
    const line = JSON.stringify({ type: 'call', call, hook, data } satisfies ToPlugin);
    if (line.length > MAX_MESSAGE_BYTES) {
      return Promise.reject(
        new PluginFailure('too_large', `the call is larger than ${MAX_MESSAGE_BYTES} bytes`),
      );
    }
    if (!this.#process.send(line)) {
      return Promise.reject(new PluginFailure('unavailable', 'its process does not read its calls'));
    }
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => this.#late(call, timeoutMs), timeoutMs);
    this.#calls.set(call, { resolve, reject, timer });
    return promise;
  }

  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#send({ type: 'close' });
      const timer = setTimeout(() => this.#process.kill(), CLOSE_MS);
      await this.#exited.promise;
      clearTimeout(timer);
    }
    await this.#exited.promise;
  }

  #send(message: ToPlugin): void {
    this.#process.send(JSON.stringify(message));
  }

  #late(call: number, timeoutMs: number): void {
    this.#fail(call, new PluginFailure('timeout', `no result within ${timeoutMs} ms`));
    if (this.#silence !== undefined || this.#isClosed) return;
    this.#send({ type: 'ping' });
    this.#silence = setTimeout(() => {
      this.#isStuck = true;
      this.#process.kill();
    }, PONG_TIMEOUT_MS);
  }

  #fail(call: number, failure: PluginFailure): void {
    const open = this.#calls.get(call);
    if (!open) return;
    this.#calls.delete(call);
    clearTimeout(open.timer);
    open.reject(failure);
  }

  #receive(line: string): void {
    clearTimeout(this.#silence);
    this.#silence = undefined;
    if (line.length > SHORT_MESSAGE && findJsonExcess(line)) {
      this.#flood = 'it sent a message with too many levels or names';
      this.#process.kill();
      return;
    }
    const message = parseJsonText(line);
    if (!isRecord(message)) {
      this.#log('debug', line);
      return;
    }
    switch (message.type) {
      case 'result':
      case 'error':
        this.#result(message);
        break;
      case 'log':
      case 'count':
        this.#report(message);
        break;
      default:
        this.#finishLoad(outcomeOf(message));
    }
  }

  #report(message: Readonly<Record<string, unknown>>): void {
    this.#startSecond();
    this.#messages += 1;
    if (this.#messages > MAX_MESSAGES) {
      this.#flood = `it sent more than ${MAX_MESSAGES} messages in a second`;
      this.#process.kill();
    } else if (message.type === 'log') {
      this.#log(asString(message.level) ?? 'info', asString(message.message) ?? '');
    } else this.events.onCount(asString(message.name) ?? '', Number(message.amount));
  }

  /** Lines above the rate are dropped: they would cost requests their time. */
  #log(level: string, line: string): void {
    this.#startSecond();
    this.#logged += 1;
    if (this.#logged <= MAX_LINES) this.events.onLog(level, line.slice(0, MAX_PRINTED));
  }

  #startSecond(): void {
    const second = Math.floor(performance.now() / 1_000);
    if (second === this.#logSecond) return;
    this.#logSecond = second;
    this.#logged = 0;
    this.#messages = 0;
  }

  #result(message: Readonly<Record<string, unknown>>): void {
    const call = Number(message.call);
    const open = this.#calls.get(call);
    // It is late, and its caller has gone on.
    if (!open) return;
    this.#calls.delete(call);
    clearTimeout(open.timer);
    if (message.type === 'result') open.resolve(message.data);
    else open.reject(new PluginFailure('error', (asString(message.message) ?? 'it failed').slice(0, 500)));
  }

  #processEnded(how: string, reason: 'memory' | 'protocol' | undefined): void {
    const wasClosed = this.#isClosed;
    const wasLoading = this.#isLoading;
    this.#isClosed = true;
    clearTimeout(this.#silence);
    const limit = `its memory exceeded ${Math.round(this.settings.memoryLimit / 1024 / 1024)} MB`;
    const detail =
      reason === 'memory'
        ? limit
        : reason === 'protocol'
          ? 'it sent a message that is too large'
          : `its process ${how}`;
    this.#finishLoad({ kind: 'failed', message: detail });
    for (const call of [...this.#calls.keys()]) this.#fail(call, new PluginFailure('exit', detail));
    this.#exited.resolve();
    if (wasClosed || wasLoading) return;
    if (this.#flood !== undefined) this.events.onExit('protocol', this.#flood);
    else if (this.#isStuck)
      this.events.onExit('unresponsive', 'it did not respond, and its process was killed');
    else this.events.onExit(reason ?? 'exited', detail);
  }

  #end(): void {
    this.#isClosed = true;
    this.#process.kill();
  }
}

function outcomeOf(message: Readonly<Record<string, unknown>>): LoadOutcome {
  switch (message.type) {
    case 'ready':
      try {
        return { kind: 'ready', manifest: readManifest(message.description) };
      } catch (error) {
        return {
          kind: 'unusable',
          message: error instanceof ContractError ? error.message : 'it is not readable',
        };
      }
    case 'rejected':
      return { kind: 'rejected', issues: listOf(message.issues).flatMap(issueOf) };
    case 'unusable':
      return { kind: 'unusable', message: (asString(message.message) ?? '').slice(0, 500) };
    default:
      return { kind: 'failed', message: (asString(message.message) ?? 'it failed').slice(0, 500) };
  }
}

function issueOf(issue: unknown): PluginConfigIssue[] {
  if (!isRecord(issue)) return [];
  const path = listOf(issue.path).map((part) =>
    typeof part === 'number' ? part : String(part).slice(0, 100),
  );
  return [{ path, message: String(issue.message).slice(0, 300) }];
}
