import type { LoadClient } from '../harness/load-client.ts';
import type { ProcessUsage, ReadUsage } from '../harness/process-stats.ts';
import type { SaturateTool } from '../harness/saturate.ts';
import type { StartOptions, Subject, SubjectContext, SubjectSpec } from '../harness/subject.ts';
import { results } from '../load/protocol.ts';
import type { BenchOptions } from '../options.ts';
import type { Measurements } from '../report/series.ts';
import type { UpstreamStats } from '../upstream/server.ts';

/** What a scenario works with. */
export interface Bench {
  readonly options: BenchOptions;
  readonly specs: readonly SubjectSpec[];
  /** The mock upstream without a gateway. */
  readonly direct: Subject;
  readonly load: LoadClient;
  readonly saturate: SaturateTool;
  readonly readUsage: ReadUsage;
  /** What a launcher has started, or has become. */
  innermostDescendant(pid: number): number | undefined;
  /** For scenarios that start processes of their own. */
  readonly context: SubjectContext;
  readonly measurements: Measurements;
  /** Most streams that the limit on open files allows. */
  readonly maxStreams: number;
  upstreamStats(): Promise<UpstreamStats>;
  /** Tells the user where the run is. */
  progress(line: string): void;
  /** Something the reader of the results must know. */
  note(line: string): void;
}

const SYSTEM =
  'You are a careful assistant for the operators of rivers and dams. Answer in plain words, name the unit of every ' +
  'figure, say what you are not sure of, and keep the answer under two hundred words unless the user asks for more.';
const QUESTION =
  'We measured 14.2 cubic metres per second over the crest this morning and 11.8 yesterday at the same hour, after ' +
  'a dry night. What could explain the rise, and which two readings would you take next to tell the causes apart?';

/** A chat request of usual size (about 750 bytes). @param fields added to it, such as what steers the mock */
export function chatBody(model: string, fields: Record<string, unknown> = {}): string {
  return JSON.stringify({
    model,
    messages: [
      { role: 'system', content: SYSTEM },
      { role: 'user', content: QUESTION },
    ],
    temperature: 0.2,
    max_tokens: 200,
    ...fields,
  });
}

export function streamBody(model: string, fields: Record<string, unknown>): string {
  return chatBody(model, { stream: true, ...fields });
}

const PROBE_LIMIT_MS = 20_000;

/** Makes sure that a subject answers both ways through to the mock before its numbers are believed. */
export async function probe(bench: Bench, subject: Subject): Promise<void> {
  const { endpoint, model, name } = subject;
  const ask = (body: string) =>
    bench.load.run({ type: 'probe', endpoint, body }, results.probe, PROBE_LIMIT_MS);
  const chat = await ask(chatBody(model));
  if (chat.failed > 0 || chat.status !== 200 || !chat.body.includes('river rises behind a weir')) {
    throw new Error(`${name} does not pass on a chat answer: ${JSON.stringify(chat)}`);
  }
  const chunks = 5;
  const stream = await ask(streamBody(model, { bench_chunks: chunks, bench_interval_ms: 2 }));
  const events = stream.body.split(/\r?\n\r?\n/).filter((event) => event.startsWith('data: {')).length;
  if (stream.failed > 0 || stream.status !== 200 || events < chunks || !stream.body.includes('[DONE]')) {
    throw new Error(`${name} does not pass on an event stream: ${JSON.stringify(stream)}`);
  }
}

/** Starts subjects, hands them over, and stops them however that ends. */
export async function withSubjects(
  specs: readonly SubjectSpec[],
  use: (subjects: Subject[]) => Promise<void>,
  options: StartOptions = {},
): Promise<void> {
  const subjects: Subject[] = [];
  try {
    for (const spec of specs) subjects.push(await spec.start(options));
    await use(subjects);
  } finally {
    await Promise.all(subjects.map((subject) => subject.stop()));
  }
}

/** The same items starting with another one each round, so that none always runs first. */
export function rotated<T>(items: readonly T[], round: number): T[] {
  const by = items.length === 0 ? 0 : round % items.length;
  return [...items.slice(by), ...items.slice(0, by)];
}

/** Usage of a subject's processes; undefined for a subject without a known process. @throws when the process has gone */
export function usageOf(bench: Bench, subject: Subject, withPss = false): ProcessUsage | undefined {
  if (subject.pid === undefined) return undefined;
  const usage = bench.readUsage(subject.pid, { withPss });
  if (!usage) throw new Error(`${subject.name}: process ${subject.pid} has gone`);
  return usage;
}

/** Runs `work` and says how much CPU time the subject spent meanwhile, in microseconds. */
export async function withCpu<R>(
  bench: Bench,
  subject: Subject,
  work: () => Promise<R>,
): Promise<{ result: R; cpuMicros: number | undefined }> {
  const before = usageOf(bench, subject);
  const result = await work();
  const after = usageOf(bench, subject);
  return { result, cpuMicros: before && after && (after.cpuSeconds - before.cpuSeconds) * 1e6 };
}

/** Notes failures of a job together with their reasons. */
export function noteFailures(
  bench: Bench,
  where: string,
  outcome: { failed: number; reasons: readonly string[] },
): void {
  if (outcome.failed > 0) bench.note(`${where}: ${outcome.failed} failed (${outcome.reasons.join('; ')})`);
}

/** Waits until the upstream has no stream open any more, or the limit is over. @returns the last state */
export async function upstreamSettled(bench: Bench, limitMs: number): Promise<UpstreamStats> {
  const until = performance.now() + limitMs;
  for (;;) {
    const stats = await bench.upstreamStats();
    if (stats.openStreams === 0 || performance.now() > until) return stats;
    await Bun.sleep(100);
  }
}
