import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Where the launcher keeps builds: one folder for each state of the sources. */
const BUILD = /[/\\]dist[/\\]program[/\\][^/\\]+[/\\]main\.js$/;

/**
 * The program that a process which starts now should run: the newest build beside the running one, since each state of the
 * sources has its own; otherwise the same file, which an update has replaced.
 * @param running path of the program of this process
 */
export function currentProgram(running: string): string {
  if (!BUILD.test(running)) return running;
  const builds = dirname(dirname(running));
  const found = readdirSync(builds)
    .map((name) => join(builds, name, basename(running)))
    .flatMap((path) => {
      const stats = statSync(path, { throwIfNoEntry: false });
      return stats ? [{ path, at: stats.mtimeMs }] : [];
    })
    .sort((one, other) => other.at - one.at);
  return found[0]?.path ?? running;
}
