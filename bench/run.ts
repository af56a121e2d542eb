import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Children, openFilesLimit } from './harness/children.ts';
import { LoadClient } from './harness/load-client.ts';
import { describeMachine, type Machine, versionOf, weirVersion } from './harness/machine.ts';
import { descendantReader, usageReader } from './harness/process-stats.ts';
import { autocannonTool, autocannonVersion, type SaturateTool, wrkTool } from './harness/saturate.ts';
import type { SubjectContext } from './harness/subject.ts';
import { direct, subjectSpecs } from './harness/subjects.ts';
import { hasSharedStores } from './harness/weir.ts';
import type { BenchOptions, ScenarioName } from './options.ts';
import { Measurements } from './report/series.ts';
import type { Bench } from './scenarios/bench.ts';
import { manyAborts, manyRequests } from './scenarios/endurance.ts';
import { guardrails } from './scenarios/guardrails.ts';
import { latency } from './scenarios/latency.ts';
import { manyTenants } from './scenarios/many-tenants.ts';
import { memory } from './scenarios/memory.ts';
import { nonStreaming } from './scenarios/non-streaming.ts';
import { startup } from './scenarios/startup.ts';
import { streaming } from './scenarios/streaming.ts';
import { type UpstreamStats, upstreamStats } from './upstream/server.ts';

export interface BenchRun {
  readonly startedAt: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly subjects: readonly string[];
  readonly notes: readonly string[];
  readonly measurements: Measurements;
}

export interface RunContext {
  readonly runtime: string;
  readonly root: string;
  readonly startedAt: string;
  progress(line: string): void;
  /** Called with what must be undone at once when the run is interrupted. */
  onCleanUp(cleanUp: () => void): void;
}

const scenarios: Readonly<Record<ScenarioName, (bench: Bench) => Promise<void>>> = {
  'non-streaming': nonStreaming,
  streaming,
  latency,
  memory,
  startup,
  'many-tenants': manyTenants,
  guardrails,
  requests: manyRequests,
  aborts: manyAborts,
};

/** Files that a gateway needs beside two for each stream. */
const SPARE_FILES = 160;

function saturateTool(
  options: BenchOptions,
  children: Children,
  context: RunContext,
  temporary: string,
): SaturateTool {
  const wrk = Bun.which('wrk');
  if (options.loadTool === 'wrk' && !wrk) throw new Error('wrk is not installed');
  return wrk && options.loadTool !== 'autocannon'
    ? wrkTool(children, wrk, temporary)
    : autocannonTool(children, context.runtime, context.root, temporary);
}

async function readUpstreamStats(port: number): Promise<UpstreamStats> {
  const answer = await fetch(`http://127.0.0.1:${port}/bench/stats`, { headers: { connection: 'close' } });
  const stats = upstreamStats.parse(await answer.json());
  // The connection that asks is not one of the subject's.
  return { ...stats, openConnections: stats.openConnections - 1 };
}

/** Runs the asked scenarios from start to end; every process it started has ended when it returns or throws. */
export async function runBench(options: BenchOptions, context: RunContext): Promise<BenchRun> {
  const temporary = mkdtempSync(join(tmpdir(), 'weir-bench-'));
  const children = new Children(temporary);
  const removeFolder = () => rmSync(temporary, { recursive: true, force: true });
  context.onCleanUp(() => {
    children.killAll();
    removeFolder();
  });
  try {
    return await measure(options, context, children, temporary);
  } finally {
    await children.stopAll();
    removeFolder();
  }
}

async function measure(
  options: BenchOptions,
  context: RunContext,
  children: Children,
  temporary: string,
): Promise<BenchRun> {
  const fileLimit = openFilesLimit();
  const machine = describeMachine(fileLimit);
  const bench = (file: string): [string, string] => [context.runtime, join(context.root, 'bench', file)];
  const upstream = await children.startWithPort({
    name: 'upstream',
    command: bench('upstream/main.ts'),
    env: { BENCH_UPSTREAM_HOST: options.upstreamHost, BENCH_UPSTREAM_PORT: String(options.upstreamPort) },
  });
  const load = await LoadClient.start(children, bench('load/main.ts'));
  const subjectContext: SubjectContext = {
    children,
    runtime: context.runtime,
    root: context.root,
    temporary,
    upstreamPort: upstream.port,
    adminKey: `bench-${crypto.randomUUID()}`,
  };
  const nginx = Bun.which('nginx');
  const names = options.subjects ?? [
    'floor',
    ...(nginx && !options.quick ? ['nginx'] : []),
    'weir',
    ...(options.quick ? [] : ['weir-unmetered', 'weir-cache-hit', 'weir-cache-miss']),
    ...(hasSharedStores && !options.quick ? ['weir-redis'] : []),
  ];
  const specs = subjectSpecs(names, options.peers, subjectContext);
  const saturate = saturateTool(options, children, context, temporary);
  const notes = new Set<string>();
  const measurements = new Measurements();
  const set: Bench = {
    options,
    specs,
    direct: direct(subjectContext),
    load,
    saturate,
    readUsage: usageReader(process.platform),
    innermostDescendant: descendantReader(process.platform),
    context: subjectContext,
    measurements,
    maxStreams: Math.floor((fileLimit - SPARE_FILES) / 2),
    upstreamStats: () => readUpstreamStats(upstream.port),
    progress: context.progress,
    note: (line) => notes.add(line),
  };
  for (const name of options.scenarios) {
    await scenarios[name]({ ...set, specs: specs.filter(({ only }) => only?.includes(name) ?? true) });
  }
  const loadVersion = saturate.name === 'wrk' ? versionOf('wrk', ['-v']) : autocannonVersion(context.root);
  const nginxVersion = nginx && names.includes('nginx') ? versionOf(nginx, ['-v']) : undefined;
  return {
    startedAt: context.startedAt,
    machine,
    versions: {
      weir: weirVersion(context.root),
      bun: Bun.version,
      ...(loadVersion === undefined ? {} : { [saturate.name]: loadVersion }),
      ...(nginxVersion === undefined ? {} : { nginx: nginxVersion }),
    },
    subjects: specs.map(({ name }) => name),
    notes: [...notes],
    measurements,
  };
}
