/**
 * Measures what guardrails cost: CPU per chunk of a stream, delay of the first text, and speed on long prompts.
 * `bun bench/guardrails/main.ts`, about 20 seconds.
 */
import { checkStream } from '../../src/guardrails/check-text.ts';
import type { CheckContext, TextChecker } from '../../src/guardrails/guardrail.ts';
import { GuardrailSets } from '../../src/guardrails/guardrail-sets.ts';
import { InjectionChecker } from '../../src/guardrails/kinds/injection.ts';
import { PiiChecker } from '../../src/guardrails/kinds/pii.ts';
import { RulesChecker } from '../../src/guardrails/kinds/rules.ts';
import { Pseudonyms } from '../../src/redaction/pseudonyms.ts';

const context: CheckContext = {
  ...{ requestId: 'bench', tenant: 'bench', model: 'bench', pseudonyms: new Pseudonyms() },
  pause: async () => undefined,
  ask: () => Promise.reject(new Error('no model')),
};
const reply = { stage: 'output', direction: 'output', role: 'assistant' } as const;
const PROSE =
  'The weir holds the river back, so that the mill has water in summer; in spring it opens two gates. '.repeat(
    200,
  );
const CHUNK = 5;
const chunks = Array.from({ length: Math.floor(PROSE.length / CHUNK) }, (_, index) =>
  PROSE.slice(index * CHUNK, index * CHUNK + CHUNK),
);

const checkers: readonly (readonly [name: string, checker: TextChecker])[] = [
  ['pii', new PiiChecker({ action: 'redact' }, 'secret')],
  ['pii, e-mail and cards only', new PiiChecker({ action: 'redact', kinds: ['email', 'card'] }, 'secret')],
  [
    'rules, 100 words',
    new RulesChecker('redact', { words: Array.from({ length: 100 }, (_, index) => `word${index}x`) }),
  ],
  ['rules, one pattern', new RulesChecker('redact', { patterns: [{ name: 'p', pattern: 'PRJ-\\d{4}' }] })],
  ['injection', new InjectionChecker({}, 1_000)],
];

/** CPU microseconds of the fastest of some runs. */
function cost(run: () => void, runs = 5): number {
  let least = Number.POSITIVE_INFINITY;
  for (let count = 0; count < runs; count += 1) {
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, user + system);
  }
  return least;
}

/** A chunk of an event stream, read and written as the gateway does: the work that a guardrail is compared with. */
function baseline(): void {
  for (const text of chunks) {
    const event = `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":${JSON.stringify(text)}},"finish_reason":null}]}\n\n`;
    JSON.parse(event.slice(6));
  }
}

const base = cost(baseline) / chunks.length;
console.info(`parsing one chunk: ${base.toFixed(2)} µs`);
for (const [name, checker] of checkers) {
  const perChunk =
    cost(() => {
      const stream = checkStream(checker, reply, context, false);
      for (const chunk of chunks) stream?.push(chunk);
      stream?.end();
    }) / chunks.length;
  const stream = checkStream(checker, reply, context, false);
  let [sent, first] = [0, 0];
  for (const chunk of chunks) {
    first += 1;
    sent = stream?.push(chunk).text.length ?? 1;
    if (sent > 0) break;
  }
  const prompt = PROSE.slice(0, 2_000);
  const perPrompt = cost(() => {
    for (let count = 0; count < 20; count += 1)
      checker.check({ ...reply, stage: 'input', direction: 'input', role: 'user', text: prompt }, context);
  });
  console.info(
    `${name}: ${perChunk.toFixed(2)} µs per chunk of ${CHUNK} characters, first text after ${first * CHUNK} characters, ${(perPrompt / 20 / 1000).toFixed(3)} ms per prompt of 2 KB`,
  );
}
const sets = new GuardrailSets([], () => Promise.resolve([]));
const principal = { guardrails: undefined };
const none = cost(() => {
  for (let count = 0; count < 1_000_000; count += 1) if (sets.has(principal)) throw new Error('unexpected');
});
console.info(`without guardrails: ${(none / 1_000_000).toFixed(4)} µs per request`);
