import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';

/** What a reader must know of the machine to judge the numbers. No host name, no paths. */
export interface Machine {
  readonly platform: string;
  readonly arch: string;
  readonly kernel: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  /** Runnable processes over the last minute, before the run: well above 0 means others were at work. */
  readonly loadBefore: number;
  readonly openFilesLimit: number;
}

export function describeMachine(openFilesLimit: number): Machine {
  return {
    platform: process.platform,
    arch: process.arch,
    kernel: release(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    loadBefore: loadavg()[0] ?? 0,
    openFilesLimit,
  };
}

/** First version number that a program prints; undefined when it can't be run. */
export function versionOf(executable: string, args: readonly string[]): string | undefined {
  const done = spawnSync(executable, [...args], { encoding: 'utf8' });
  if (done.error) return undefined;
  return /\d+\.\d+(?:\.\d+)?/.exec(`${done.stdout}${done.stderr}`)?.[0];
}

/** Version in package.json, and the commit where there is one. */
export function weirVersion(root: string): string {
  const text = readFileSync(join(root, 'package.json'), 'utf8');
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(text));
  const done = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' });
  return done.status === 0 ? `${version} (${done.stdout.trim()})` : version;
}
