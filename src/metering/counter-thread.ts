import { Worker } from 'node:worker_threads';
import type { TokenCount, TokenCounter, Vocabulary } from './text-counter.ts';

/** What the thread is asked, and what it answers. */
export interface CountQuestion {
  readonly id: number;
  readonly texts: readonly string[];
  readonly vocabulary: Vocabulary;
  readonly enough: number | undefined;
}
export type CountAnswer =
  | { readonly id: number; readonly count: TokenCount }
  | { readonly id: number; readonly error: string };

/** A thread that counts. */
export interface CountingThread {
  ask(question: CountQuestion): void;
}

/** Told what a thread has to say. */
export interface ThreadListener {
  answered(answer: CountAnswer): void;
  /** It is of no use any more. */
  failed(error: Error): void;
}

/**
 * Counts in a thread of its own, which begins when it is first needed: most gateways never count, since providers do, and
 * those that do are not held up for the half second that a vocabulary takes to be read.
 */
export class CounterThread implements ThreadListener, TokenCounter {
  #thread: CountingThread | undefined;
  #next = 0;
  readonly #waiting = new Map<number, PromiseWithResolvers<TokenCount>>();

  /** @param start begins a thread; injected for tests */
  constructor(private readonly start: (listener: ThreadListener) => CountingThread = startThread) {}

  count(texts: readonly string[], vocabulary: Vocabulary, enough?: number): Promise<TokenCount> {
    const waiting = Promise.withResolvers<TokenCount>();
    this.#next += 1;
    this.#waiting.set(this.#next, waiting);
    this.#thread ??= this.start(this);
    this.#thread.ask({ id: this.#next, texts, vocabulary, enough });
    return waiting.promise;
  }

  // Events of the thread.

  answered(answer: CountAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ('error' in answer) waiting?.reject(new Error(answer.error));
    else waiting?.resolve(answer.count);
  }

  failed(error: Error): void {
    // The next question begins another.
    this.#thread = undefined;
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const one of all) {
      one.reject(new Error(`the tokenizer's thread has failed: ${error.message}`, { cause: error }));
    }
  }
}

function startThread(listener: ThreadListener): CountingThread {
  const worker = new Worker(new URL('./counter-worker.ts', import.meta.url));
  // Counting keeps no process alive.
  worker.unref();
  worker.on('message', (answer: CountAnswer) => listener.answered(answer));
  worker.on('error', (error: Error) => listener.failed(error));
  return { ask: (question) => worker.postMessage(question) };
}
