import { Worker } from 'node:worker_threads';
import type { Vocabulary } from '../providers/model-vocabulary.ts';
import type { TokenCount, TokenCounter } from './text-counter.ts';

/** A message to the thread. */
export interface CountRequest {
  readonly id: number;
  readonly texts: readonly string[];
  readonly vocabulary: Vocabulary;
  /** Counting stops at this number of tokens; undefined counts everything. */
  readonly enough: number | undefined;
}

/** A message from the thread. */
export type CountResult =
  | { readonly id: number; readonly count: TokenCount }
  | { readonly id: number; readonly error: string };

/** The thread, as `CounterThread` sees it. */
export interface CountingThread {
  ask(question: CountRequest): void;
}

/** Receives events of the thread. */
export interface ThreadListener {
  onResult(result: CountResult): void;
  /** The thread has ended. */
  failed(error: Error): void;
}

/**
 * Counts tokens in a thread, so that the event loop does not wait the half second that loading a vocabulary takes. The
 * thread starts on first use, because most gateways never count: providers do.
 */
export class CounterThread implements ThreadListener, TokenCounter {
  #thread: CountingThread | undefined;
  #next = 0;
  readonly #waiting = new Map<number, PromiseWithResolvers<TokenCount>>();

  /** @param start starts the thread */
  constructor(private readonly start: (listener: ThreadListener) => CountingThread = startThread) {}

  /** @throws Error when the thread fails; the next call starts another one */
  count(texts: readonly string[], vocabulary: Vocabulary, enough?: number): Promise<TokenCount> {
    const waiting = Promise.withResolvers<TokenCount>();
    this.#next += 1;
    this.#waiting.set(this.#next, waiting);
    this.#thread ??= this.start(this);
    this.#thread.ask({ id: this.#next, texts, vocabulary, enough });
    return waiting.promise;
  }

  onResult(result: CountResult): void {
    const waiting = this.#waiting.get(result.id);
    this.#waiting.delete(result.id);
    if ('error' in result) waiting?.reject(new Error(result.error));
    else waiting?.resolve(result.count);
  }

  failed(error: Error): void {
    // The next call starts another thread.
    this.#thread = undefined;
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const one of all) {
      one.reject(new Error(`the tokenizer thread failed: ${error.message}`, { cause: error }));
    }
  }
}

function startThread(listener: ThreadListener): CountingThread {
  const worker = new Worker(new URL('./counter-worker.ts', import.meta.url));
  // The thread must not keep the process alive.
  worker.unref();
  worker.on('message', (result: CountResult) => listener.onResult(result));
  worker.on('error', (error: Error) => listener.failed(error));
  return { ask: (question) => worker.postMessage(question) };
}
