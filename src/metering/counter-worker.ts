import { parentPort } from 'node:worker_threads';
import type { CountRequest, CountResult } from './counter-thread.ts';
import { TextCounter } from './text-counter.ts';

/** The thread of `CounterThread`. */

const counter = new TextCounter();
const result = (given: CountResult) => parentPort?.postMessage(given);

parentPort?.on('message', ({ id, texts, vocabulary, enough }: CountRequest) => {
  counter.count(texts, vocabulary, enough).then(
    (count) => result({ id, count }),
    (error: unknown) => result({ id, error: error instanceof Error ? error.message : String(error) }),
  );
});
