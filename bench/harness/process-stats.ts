/** Reads CPU time and memory of processes as the operating system accounts for them. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessStat {
  readonly ppid: number;
  /** User and system time of all threads, in clock ticks. */
  readonly ticks: number;
}

/** `/proc/<pid>/stat`. The command name may hold blanks and parentheses, so fields count from the last `)`. */
export function parseProcStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ppid = Number(fields[1]);
  const ticks = Number(fields[11]) + Number(fields[12]);
  if (!Number.isFinite(ppid) || !Number.isFinite(ticks)) throw new SyntaxError('not a /proc/<pid>/stat line');
  return { ppid, ticks };
}

/** A `Name:   123 kB` line of `/proc/<pid>/status` or `smaps_rollup`, in KiB; undefined when absent. */
export function parseKib(text: string, name: string): number | undefined {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text);
  return match ? Number(match[1]) : undefined;
}

/** CPU time as `ps` prints it, `[[days-]hours:]minutes:seconds[.hundredths]`, in seconds. */
export function parsePsTime(text: string): number {
  const match = /^(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+(?:\.\d+)?)$/.exec(text.trim());
  if (!match) throw new SyntaxError(`not a CPU time of ps: ${text}`);
  const [, days = '0', hours = '0', minutes = '0', seconds = '0'] = match;
  return ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
}

export interface PsRow {
  readonly pid: number;
  readonly ppid: number;
  readonly rssKib: number;
  readonly cpuSeconds: number;
}

/** Lines of `ps -axo pid=,ppid=,rss=,time=`. */
export function parsePs(text: string): PsRow[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length === 4)
    .map(([pid = '', ppid = '', rss = '', time = '']) => ({
      pid: Number(pid),
      ppid: Number(ppid),
      rssKib: Number(rss),
      cpuSeconds: parsePsTime(time),
    }));
}

/** `pid` and all its descendants among `parents` (pid to parent pid). */
export function processTree(pid: number, parents: ReadonlyMap<number, number>): number[] {
  const tree = [pid];
  for (let at = 0; at < tree.length; at++) {
    for (const [child, parent] of parents) {
      if (parent === tree[at] && !tree.includes(child)) tree.push(child);
    }
  }
  return tree;
}

/** CPU time in seconds, and resident and proportional set size in KiB, summed over a process and its descendants. */
export interface ProcessUsage {
  readonly cpuSeconds: number;
  readonly rssKib: number;
  /** Memory with shared pages divided among their users; undefined where the system does not tell. */
  readonly pssKib: number | undefined;
}

/** Clock ticks in a second. */
export function clockTicks(): number {
  const done = spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' });
  const ticks = Number(done.stdout?.trim());
  return ticks > 0 ? ticks : 100;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    // A process may end between two reads, and memory maps of another user's process are closed to us.
    if (
      error instanceof Error &&
      'code' in error &&
      ['ENOENT', 'ESRCH', 'EACCES'].includes(String(error.code))
    ) {
      return undefined;
    }
    throw error;
  }
}

/** All processes of a Linux system, by id. */
function linuxProcesses(): Map<number, ProcessStat> {
  const stats = new Map<number, ProcessStat>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const text = readIfThere(`/proc/${name}/stat`);
    if (text !== undefined) stats.set(Number(name), parseProcStat(text));
  }
  return stats;
}

function parentsOf(processes: Iterable<readonly [number, { readonly ppid: number }]>): Map<number, number> {
  return new Map(Array.from(processes, ([pid, { ppid }]) => [pid, ppid]));
}

function linuxUsage(pid: number, ticksPerSecond: number, withPss: boolean): ProcessUsage | undefined {
  const stats = linuxProcesses();
  if (!stats.has(pid)) return undefined;
  let ticks = 0;
  let rssKib = 0;
  let pssKib: number | undefined = withPss ? 0 : undefined;
  for (const member of processTree(pid, parentsOf(stats))) {
    ticks += stats.get(member)?.ticks ?? 0;
    rssKib += parseKib(readIfThere(`/proc/${member}/status`) ?? '', 'VmRSS') ?? 0;
    if (pssKib === undefined) continue;
    const pss = parseKib(readIfThere(`/proc/${member}/smaps_rollup`) ?? '', 'Pss');
    pssKib = pss === undefined ? undefined : pssKib + pss;
  }
  return { cpuSeconds: ticks / ticksPerSecond, rssKib, pssKib };
}

function psRows(): Map<number, PsRow> {
  const done = spawnSync('ps', ['-axo', 'pid=,ppid=,rss=,time='], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`ps failed: ${done.error?.message ?? done.stderr}`);
  return new Map(parsePs(done.stdout).map((row) => [row.pid, row]));
}

function psUsage(pid: number): ProcessUsage | undefined {
  const rows = psRows();
  if (!rows.has(pid)) return undefined;
  const members = processTree(pid, parentsOf(rows)).flatMap((member) => rows.get(member) ?? []);
  return {
    cpuSeconds: members.reduce((sum, row) => sum + row.cpuSeconds, 0),
    rssKib: members.reduce((sum, row) => sum + row.rssKib, 0),
    pssKib: undefined,
  };
}

/**
 * Finds the innermost descendant of a process: what a launcher has started, or has become.
 * @returns the process itself when it has none; undefined when there is no such process
 */
export function descendantReader(platform: NodeJS.Platform): (pid: number) => number | undefined {
  const read = platform === 'linux' ? linuxProcesses : psRows;
  return (pid) => {
    const processes = read();
    return processes.has(pid) ? processTree(pid, parentsOf(processes)).at(-1) : undefined;
  };
}

/** Reads usage of a process tree. @returns undefined when there is no such process */
export type ReadUsage = (pid: number, options?: { withPss?: boolean }) => ProcessUsage | undefined;

export function usageReader(platform: NodeJS.Platform): ReadUsage {
  if (platform !== 'linux') return psUsage;
  const ticksPerSecond = clockTicks();
  return (pid, options) => linuxUsage(pid, ticksPerSecond, options?.withPss ?? false);
}
