import { spawn } from 'node:child_process';
import { isRecord } from '../../src/core/json.ts';
import { eventually } from '../e2e/harness.ts';
import { freePort } from '../support/free-port.ts';
import type { EngineFiles } from './engine-build.ts';

/** A running llama.cpp server. */
export interface LlamaServer {
  /** Without a slash at the end. */
  readonly url: string;
  /** Posts JSON to the engine itself. */
  post(path: string, body: unknown): Promise<{ status: number; body: Record<string, unknown> }>;
  /** A value of its metrics page. */
  metric(name: string): Promise<number>;
  /** Prompt tokens, cached ones included, and generated tokens since its start. */
  tokens(): Promise<{ readonly input: number; readonly output: number }>;
  stop(): Promise<void>;
}

export const MODEL_NAME = 'real-model';
/** Tokens of one slot: half of the context, because the server has two. */
export const SLOT_TOKENS = 1_024;

/** @param port the number of a port, or what stands for it in a command of Weir's configuration */
export function serverArguments({ model }: EngineFiles, port: string): string[] {
  const listen = ['--host', '127.0.0.1', '--port', port, '--alias', MODEL_NAME, '--metrics'];
  const context = ['--ctx-size', String(2 * SLOT_TOKENS), '--parallel', '2'];
  // One thread: two that wait for each other by spinning are slower on a busy machine.
  const threads = ['--threads', '1', '--threads-batch', '1'];
  return ['--model', model, ...listen, ...context, ...threads];
}

/** @param more further arguments, such as `--embeddings` */
export async function startLlamaServer(
  files: EngineFiles,
  more: readonly string[] = [],
): Promise<LlamaServer> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(files.server, [...serverArguments(files, String(port)), ...more], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = `${output}${text}`.slice(-4_000);
    });
  }
  let ended = false;
  const exited = new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => {
      ended = true;
      resolve();
    });
  });
  const stop = async () => {
    if (!ended) child.kill('SIGKILL');
    await exited;
  };
  const ready = async () => {
    if (ended) throw new Error(`llama-server ended at its start:\n${output}`);
    return fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
  };
  try {
    await eventually('llama-server is ready', ready, 120_000);
  } catch (error) {
    await stop();
    throw error;
  }
  const metric = async (name: string) => {
    const page = await (await fetch(`${url}/metrics`)).text();
    const found = new RegExp(`^llamacpp:${name} (\\S+)$`, 'm').exec(page);
    if (found === null) throw new Error(`llama-server has no metric ${name}`);
    return Number(found[1]);
  };
  return {
    url,
    metric,
    post: async (path, body) => {
      const response = await fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(body) });
      const json: unknown = await response.json();
      return { status: response.status, body: isRecord(json) ? json : {} };
    },
    tokens: async () => ({
      input: (await metric('prompt_tokens_total')) + (await metric('prompt_tokens_cached_total')),
      output: await metric('tokens_predicted_total'),
    }),
    stop,
  };
}
