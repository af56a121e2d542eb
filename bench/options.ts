import { Command, CommanderError, InvalidArgumentError } from 'commander';

export const scenarioNames = [
  'non-streaming',
  'streaming',
  'latency',
  'memory',
  'startup',
  'many-tenants',
  'guardrails',
  'requests',
  'aborts',
] as const;
export type ScenarioName = (typeof scenarioNames)[number];

/** Those of a run that names none. */
const USUAL_SCENARIOS = [
  'non-streaming',
  'streaming',
  'latency',
  'memory',
  'startup',
  'many-tenants',
] as const;

/** What there is to be measured, in addition to peers. */
export const SUBJECTS = [
  ...['floor', 'nginx', 'weir', 'weir-unmetered', 'weir-cache-hit', 'weir-cache-miss', 'weir-redis'],
] as const;

/** A gateway that runs already, somewhere, in front of this bench's mock upstream. */
export interface PeerOption {
  readonly name: string;
  readonly hostname: string;
  readonly port: number;
  /** Path of its chat completions. */
  readonly path: string;
  readonly key?: string;
  readonly model?: string;
  /** Its process on this machine, when CPU and memory are to be measured too. */
  readonly pid?: number;
}

export interface BenchOptions {
  readonly quick: boolean;
  readonly scenarios: readonly ScenarioName[];
  /**
   * undefined: floor, weir, and (unless quick) weir-unmetered, weir-cache-hit and weir-cache-miss, and nginx and weir-redis
   * where these are installed.
   */
  readonly subjects: readonly string[] | undefined;
  readonly peers: readonly PeerOption[];
  readonly rounds: number;
  /** Rounds of the latency measurement, which varies more than CPU does. */
  readonly latencyRounds: number;
  /** Rounds of the memory measurement, each of which starts every subject afresh. */
  readonly memoryRounds: number;
  /** Length of one non-streaming measurement. */
  readonly seconds: number;
  readonly connections: number;
  /** Requests per second of fixed-rate loads; undefined: half of what saturates the floor, or Weir for latency. */
  readonly rate: number | undefined;
  readonly loadTool: 'wrk' | 'autocannon' | undefined;
  readonly streams: number;
  readonly chunks: number;
  readonly intervalMs: number;
  /** How many streams to hold open for the memory measurement, ascending. */
  readonly open: readonly number[];
  readonly holdSeconds: number;
  /** From the end of the held streams to the last reading of memory, in the first round; 0: no such reading. */
  readonly retainSeconds: number;
  readonly memoryRequests: number;
  readonly aborts: number;
  readonly upstreamHost: string;
  readonly upstreamPort: number;
  /** true: to standard output; a string: to that file. */
  readonly json: boolean | string;
  /** true: every target that was measured; a list: these, measured or not. */
  readonly check: boolean | readonly string[];
  readonly writeDocs: boolean;
}

export type ParsedOptions = { options: BenchOptions } | { exitCode: number; text: string };

function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw new InvalidArgumentError(`a whole number from ${min} to ${max} is needed.`);
    }
    return value;
  };
}

const words = (text: string) =>
  text
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean);

function isScenario(word: string): word is ScenarioName {
  return scenarioNames.some((name) => name === word);
}

function scenarios(text: string): ScenarioName[] {
  return words(text).map((word) => {
    if (!isScenario(word)) throw new InvalidArgumentError(`there are: ${scenarioNames.join(', ')}.`);
    return word;
  });
}

function counts(text: string): number[] {
  return words(text)
    .map(integer(1, 30_000))
    .sort((a, b) => a - b);
}

/** `name=url[,key=...][,model=...][,pid=...]` */
export function parsePeer(text: string): PeerOption {
  const equals = text.indexOf('=');
  const [address = '', ...settings] = text.slice(equals + 1).split(',');
  const name = text.slice(0, Math.max(0, equals));
  if (!/^[\w.-]+$/.test(name) || !URL.canParse(address)) {
    throw new InvalidArgumentError('name=url[,key=...][,model=...][,pid=...] is needed.');
  }
  if ([...SUBJECTS, 'direct'].includes(name)) {
    throw new InvalidArgumentError(`the name ${name} is taken.`);
  }
  const url = new URL(address);
  if (url.protocol !== 'http:') throw new InvalidArgumentError('only http:// can be measured.');
  const base = url.pathname.replace(/\/+$/, '');
  const found = new Map<string, string>();
  for (const setting of settings) {
    const [word = '', ...value] = setting.split('=');
    if (!['key', 'model', 'pid'].includes(word)) throw new InvalidArgumentError(`no such setting: ${word}.`);
    found.set(word, value.join('='));
  }
  const key = found.get('key');
  const model = found.get('model');
  const pid = found.get('pid');
  return {
    name,
    hostname: url.hostname,
    port: Number(url.port || 80),
    path: `${base.endsWith('/v1') ? base : `${base}/v1`}/chat/completions`,
    ...(key === undefined ? {} : { key }),
    ...(model === undefined ? {} : { model }),
    ...(pid === undefined ? {} : { pid: integer(1, 2 ** 31)(pid) }),
  };
}

function loadTool(text: string): 'wrk' | 'autocannon' {
  if (text !== 'wrk' && text !== 'autocannon') throw new InvalidArgumentError('wrk or autocannon.');
  return text;
}

interface Flags {
  quick?: boolean;
  only?: ScenarioName[];
  subjects?: string[];
  peer: PeerOption[];
  rounds?: number;
  seconds?: number;
  connections: number;
  rate?: number;
  loadTool?: 'wrk' | 'autocannon';
  streams?: number;
  chunks?: number;
  interval: number;
  open?: number[];
  holdSeconds?: number;
  retainSeconds?: number;
  memoryRequests: number;
  aborts: number;
  upstreamHost: string;
  upstreamPort: number;
  json?: true | string;
  check?: true | string;
  writeDocs?: boolean;
}

function command(): Command {
  return new Command('bench')
    .description('Measures Weir against the floor (a minimal proxy on the same runtime), nginx and any peer.')
    .option('--quick', 'a run of about two minutes: fewer and shorter rounds, no nginx unless named')
    .option('--only <scenarios>', `of ${scenarioNames.join(', ')}`, scenarios)
    .option('--subjects <names>', `of ${SUBJECTS.join(', ')}`, words)
    .option(
      '--peer <name=url[,key=][,model=][,pid=]>',
      'another gateway that runs in front of the mock upstream; repeatable',
      (text: string, peers: PeerOption[]) => [...peers, parsePeer(text)],
      [],
    )
    .option('--rounds <n>', 'rounds, each with every subject (default: 5; latency: 9)', integer(1, 100))
    .option('--seconds <n>', 'length of each non-streaming measurement', integer(1, 600))
    .option('--connections <n>', 'connections of the saturating load', integer(1, 1000), 32)
    .option(
      '--rate <n>',
      'requests per second of the fixed-rate loads (default: half of what saturates)',
      integer(1, 1e6),
    )
    .option('--load-tool <tool>', 'wrk or autocannon (default: wrk if installed)', loadTool)
    .option('--streams <n>', 'concurrent streams', integer(2, 10_000))
    .option('--chunks <n>', 'chunks of each stream', integer(2, 100_000))
    .option('--interval <ms>', 'time between two chunks of a stream', integer(1, 60_000), 20)
    .option('--open <counts>', 'open streams to measure memory at, such as 1000,10000', counts)
    .option('--hold-seconds <n>', 'how long to hold them before measuring', integer(0, 600))
    .option('--retain-seconds <n>', 'how long after their end memory is read', integer(0, 600))
    .option('--memory-requests <n>', 'memory before and after so many requests', integer(0, 1e8), 0)
    .option('--aborts <n>', 'what so many streams aborted half-way leave behind', integer(0, 1e7), 0)
    .option('--upstream-host <host>', 'address the mock upstream listens on', '127.0.0.1')
    .option(
      '--upstream-port <port>',
      'its port, for peers that are configured with it',
      integer(0, 65_535),
      0,
    )
    .option('--json [file]', 'everything as JSON, to standard output or a file')
    .option('--check [targets]', 'exit with 1 when a target is missed (bench/targets.json)')
    .option('--write-docs', 'put the tables into docs/performance.md');
}

/** Parses the command line without ending the process. */
export function parseOptions(args: readonly string[]): ParsedOptions {
  const output: string[] = [];
  const parser = command()
    .exitOverride()
    .configureOutput({ writeOut: (text) => output.push(text), writeErr: (text) => output.push(text) });
  try {
    parser.parse([...args], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return { exitCode: error.exitCode, text: output.join('') };
    throw error;
  }
  return { options: complete(parser.opts<Flags>()) };
}

function complete(flags: Flags): BenchOptions {
  const quick = flags.quick ?? false;
  const rounds = flags.rounds ?? (quick ? 2 : 5);
  const extra: ScenarioName[] = [
    ...(flags.memoryRequests > 0 ? (['requests'] as const) : []),
    ...(flags.aborts > 0 ? (['aborts'] as const) : []),
  ];
  // A scenario that is asked for by name gets its usual size.
  const asked = flags.only ?? [...USUAL_SCENARIOS, ...extra];
  return {
    quick,
    scenarios: scenarioNames.filter((name) => asked.includes(name)),
    subjects: flags.subjects,
    peers: flags.peer,
    rounds,
    latencyRounds: flags.rounds ?? (quick ? 2 : 9),
    memoryRounds: quick ? 1 : Math.min(rounds, 3),
    seconds: flags.seconds ?? (quick ? 1 : 4),
    connections: flags.connections,
    rate: flags.rate,
    loadTool: flags.loadTool,
    streams: flags.streams ?? 200,
    chunks: flags.chunks ?? (quick ? 100 : 200),
    intervalMs: flags.interval,
    open: flags.open ?? [1000, 10_000],
    holdSeconds: flags.holdSeconds ?? (quick ? 1 : 3),
    retainSeconds: flags.retainSeconds ?? (quick ? 0 : 60),
    memoryRequests: flags.memoryRequests || 1_000_000,
    aborts: flags.aborts || 10_000,
    upstreamHost: flags.upstreamHost,
    upstreamPort: flags.upstreamPort,
    json: flags.json ?? false,
    check: typeof flags.check === 'string' ? words(flags.check) : (flags.check ?? false),
    writeDocs: flags.writeDocs ?? false,
  };
}
