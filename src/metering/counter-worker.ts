import { parentPort } from 'node:worker_threads';
import type { CountAnswer, CountQuestion } from './counter-thread.ts';
import { TextCounter } from './text-counter.ts';

/** The thread of `CounterThread`. */

const counter = new TextCounter();
const answer = (given: CountAnswer) => parentPort?.postMessage(given);

parentPort?.on('message', ({ id, texts, vocabulary, enough }: CountQuestion) => {
  counter.count(texts, vocabulary, enough).then(
    (count) => answer({ id, count }),
    (error: unknown) => answer({ id, error: error instanceof Error ? error.message : String(error) }),
  );
});
