import type { Clock } from '../core/clock.ts';
import { createSimulator, type Simulator } from './simulator.ts';

/** Time that passes only when someone sleeps, or when a test lets it. */
export class FakeClock implements Clock {
  private time = 1000;
  private readonly sleepers: { due: number; wake: () => void }[] = [];
  /** Lengths of all sleeps asked for, in milliseconds. */
  readonly sleeps: number[] = [];

  /** With `auto`, a sleep passes at once; else it waits for `advance`. */
  constructor(private readonly auto = true) {}

  now(): number {
    return this.time;
  }

  wallTime(): number {
    return 1_700_000_000_000 + this.time;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.sleeps.push(ms);
    if (this.auto) {
      this.time += ms;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      this.sleepers.push({ due: this.time + ms, wake: resolve });
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }

  advance(ms: number): void {
    this.time += ms;
    for (const sleeper of this.sleepers) if (sleeper.due <= this.time) sleeper.wake();
  }
}

/** A simulator with a controlled clock. */
export interface Harness {
  readonly clock: FakeClock;
  readonly simulator: Simulator;
  post(
    path: string,
    body: unknown,
    init?: { headers?: Record<string, string>; signal?: AbortSignal },
  ): Promise<Response>;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
}

/** A simulator with ids that count up and a clock of the test's own. */
export function createHarness(clock: FakeClock = new FakeClock()): Harness {
  let ids = 0;
  const simulator = createSimulator({ clock, randomId: () => `id${++ids}` });
  return {
    clock,
    simulator,
    post: (path, body, init = {}) =>
      simulator(
        new Request(`http://simulator.internal/v1${path}`, {
          method: 'POST',
          body: typeof body === 'string' ? body : JSON.stringify(body),
          ...init,
        }),
      ),
    get: (path, headers = {}) => simulator(new Request(`http://simulator.internal/v1${path}`, { headers })),
  };
}

/** The data of each event of a stream's text. Throws for anything that is not `data:` and an empty line. */
export function readEvents(text: string): string[] {
  if (text === '') return [];
  if (!text.endsWith('\n\n')) throw new Error('the stream ends inside an event');
  return text
    .slice(0, -2)
    .split('\n\n')
    .map((block) => {
      if (!block.startsWith('data: ') || block.includes('\n')) throw new Error(`not an event: ${block}`);
      return block.slice('data: '.length);
    });
}

/** Reads a body to its end or to its error. */
export async function readBody(
  response: Response,
): Promise<{ text: string; pieces: number; error: unknown }> {
  const decoder = new TextDecoder();
  let text = '';
  let pieces = 0;
  try {
    for await (const bytes of response.body ?? []) {
      pieces += 1;
      text += decoder.decode(bytes, { stream: true });
    }
  } catch (error) {
    return { text, pieces, error };
  }
  return { text, pieces, error: undefined };
}

/** A user message with a text. */
export function userMessage(content: string): { role: string; content: string }[] {
  return [{ role: 'user', content }];
}
