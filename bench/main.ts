/** `npm run bench`: see docs/performance.md. Results go to standard output, progress to standard error. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { type BenchOptions, parseOptions } from './options.ts';
import { absoluteTable, ratioTable, replaceResults, verdictTable } from './report/render.ts';
import { Measurements } from './report/series.ts';
import { judge, type Target, target, type Verdict } from './report/targets.ts';
import { type BenchRun, runBench } from './run.ts';
import targetData from './targets.json';

const root = fileURLToPath(new URL('..', import.meta.url));
const docs = fileURLToPath(new URL('../docs/performance.md', import.meta.url));
const INTERRUPTED = 130;

function describe({ startedAt, machine, versions }: BenchRun): string {
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const { cores, memoryGib, platform, arch, loadBefore } = machine;
  const load = loadBefore >= 0.5 ? `, load ${loadBefore.toFixed(1)} before the run` : '';
  return `${startedAt.slice(0, 10)}; ${cores} cores, ${memoryGib} GiB, ${platform} ${arch}${load}; ${programs.join(', ')}.`;
}

function asJson(run: BenchRun, options: BenchOptions, verdicts: readonly Verdict[]): string {
  const { measurements, ...rest } = run;
  const series = measurements.all().map((each) => ({
    ...each,
    median: measurements.value(each.scenario, each.subject, each.metric) ?? null,
    ratioToFloor: measurements.ratio(each.scenario, each.subject, each.metric, 'floor') ?? null,
  }));
  // A peer's key is a secret of its owner.
  const peers = options.peers.map(({ key, ...peer }) => ({ ...peer, hasKey: key !== undefined }));
  return JSON.stringify(
    { format: 1, ...rest, options: { ...options, peers }, targets: verdicts, series },
    null,
    2,
  );
}

function print(run: BenchRun, options: BenchOptions, verdicts: readonly Verdict[]): void {
  const dim = (text: string) => (process.stdout.isTTY ? `\u001b[2m${text}\u001b[22m` : text);
  const parts = [
    ratioTable(run.measurements, options.open),
    verdicts.length > 0 ? verdictTable(verdicts, 'weir') : '',
    dim(absoluteTable(run.measurements, options.open)),
    run.notes.map((note) => `- ${note}`).join('\n'),
    describe(run),
  ];
  console.log(parts.filter(Boolean).join('\n\n'));
}

function writeDocs(run: BenchRun, options: BenchOptions, verdicts: readonly Verdict[]): void {
  const parts = [
    describe(run),
    ratioTable(run.measurements, options.open),
    verdicts.length > 0 ? verdictTable(verdicts, 'weir') : '',
    `<details><summary>The numbers themselves</summary>\n\n${absoluteTable(run.measurements, options.open)}\n\n</details>`,
    run.notes.map((note) => `- ${note}`).join('\n'),
  ];
  const page = readFileSync(docs, 'utf8');
  writeFileSync(docs, replaceResults(page, parts.filter(Boolean).join('\n\n')));
}

/** Says at once what would otherwise fail after minutes. @throws when the targets can't be judged */
function checkIsPossible({ check, subjects }: BenchOptions, targets: readonly Target[]): void {
  judge(targets, check, new Measurements(), 'weir');
  if (check === false || subjects === undefined) return;
  const missing = ['weir', 'floor'].filter((name) => !subjects.includes(name));
  if (missing.length > 0) throw new Error(`--check needs ${missing.join(' and ')} among --subjects`);
}

async function main(args: readonly string[]): Promise<number> {
  const parsed = parseOptions(args);
  if (!('options' in parsed)) {
    (parsed.exitCode === 0 ? process.stdout : process.stderr).write(parsed.text);
    return parsed.exitCode;
  }
  const { options } = parsed;
  const targets = z.array(target).parse(targetData);
  checkIsPossible(options, targets);
  const started = performance.now();
  let cleanUp: () => void = () => undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      cleanUp();
      process.exit(INTERRUPTED);
    });
  }
  const run = await runBench(options, {
    runtime: process.execPath,
    root,
    startedAt: new Date().toISOString(),
    progress: (line) => {
      process.stderr.write(`[${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s] ${line}\n`);
    },
    onCleanUp: (undo) => {
      cleanUp = undo;
    },
  });
  const measuresWeir = run.subjects.includes('weir');
  const verdicts = measuresWeir ? judge(targets, options.check, run.measurements, 'weir') : [];
  if (options.json === true) console.log(asJson(run, options, verdicts));
  else print(run, options, verdicts);
  if (typeof options.json === 'string') writeFileSync(options.json, `${asJson(run, options, verdicts)}\n`);
  if (options.writeDocs) writeDocs(run, options, verdicts);
  if (options.check === false) return 0;
  // Nothing to judge is no pass.
  return verdicts.length > 0 && verdicts.every(({ met }) => met) ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
