import { spawn } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import { pluginEntry } from '../app/plugins.ts';
import type { LoadedConfig } from '../config/assemble.ts';
import { systemClock } from '../core/clock.ts';
import type { PluginObserver, PluginStatus } from '../plugins/host.ts';
import { type PluginEntry, PluginManager, type PluginProblem } from '../plugins/manager.ts';
import { EXIT, type Output, table } from './output.ts';

interface PluginCommand {
  readonly load: () => Promise<LoadedConfig>;
  readonly output: Output;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly json: boolean;
}

/** One configured plugin, after it was loaded. */
export interface CheckedPlugin {
  readonly entry: PluginEntry;
  readonly enabled: boolean;
  readonly status: PluginStatus | undefined;
  readonly problems: readonly string[];
  /** Its module was not found. */
  readonly isMissing: boolean;
}

/** A configuration, and where its plugins are looked for. */
export interface PluginSources extends Pick<LoadedConfig, 'config' | 'file'> {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** `weir plugins list` */
export async function listPlugins(command: PluginCommand): Promise<void> {
  const { output, json } = command;
  const plugins = await examinePlugins({ ...command, ...(await command.load()) });
  if (json) output.out(JSON.stringify(plugins.map(asJson), null, 2));
  else if (plugins.length === 0) output.out('The configuration has no plugins.');
  else {
    const rows = plugins.map(({ entry, enabled, status, problems }) => [
      entry.id,
      status?.name ?? '-',
      status?.version ?? '-',
      status?.kinds.join(', ') || '-',
      !enabled ? 'disabled' : problems.length > 0 ? 'faulty' : 'ok',
      entry.module,
    ]);
    output.out(table(['id', 'name', 'version', 'parts', 'state', 'module'], rows));
  }
}

/** `weir plugins check`. @returns the exit code */
export async function checkPlugins(command: PluginCommand): Promise<number> {
  const { output, json } = command;
  const plugins = await examinePlugins({ ...command, ...(await command.load()) });
  const faulty = plugins.filter(({ problems }) => problems.length > 0);
  if (json) output.out(JSON.stringify(plugins.map(asJson), null, 2));
  else {
    for (const { entry, enabled, status, problems } of plugins) {
      const name = status?.name === undefined ? '' : ` ${status.name} ${status.version ?? ''}`.trimEnd();
      if (!enabled) output.out(`${entry.id}: disabled, not loaded`);
      else if (problems.length === 0)
        output.out(`${entry.id}: ok,${name}: ${status?.kinds.join(', ') ?? ''}`);
      for (const problem of problems) output.out(`${entry.id}: ${problem}`);
    }
    output.out(`${plugins.length - faulty.length} plugins are ok, ${faulty.length} have faults.`);
  }
  return faulty.length === 0 ? EXIT.ok : EXIT.failure;
}

function asJson({ entry, enabled, status, problems }: CheckedPlugin): Readonly<Record<string, unknown>> {
  const { id, module } = entry;
  const { name = null, version = null, kinds = [] } = status ?? {};
  return { id, module, enabled, name, version, kinds, problems };
}

/** Starts each plugin as the gateway does, and ends it again. */
export async function examinePlugins({
  config,
  file,
  env,
  cwd,
}: PluginSources): Promise<readonly CheckedPlugin[]> {
  const manager = new PluginManager({
    ...{ env, clock: systemClock, observer: NO_OBSERVER },
    events: { subscribe: () => () => undefined },
    folder: file === null ? cwd : dirname(file),
    onEventsDropped: () => undefined,
  });
  const checked: CheckedPlugin[] = [];
  for (const plugin of config.plugins) {
    const entry = pluginEntry(plugin);
    if (!plugin.enabled) {
      checked.push({ entry, enabled: false, status: undefined, problems: [], isMissing: false });
      continue;
    }
    const prepared = await manager.prepare([entry]);
    const [host] = prepared.hosts;
    const status = host?.status;
    const problems = prepared.problems.map(problemText);
    if (problems.length === 0 && status && status.status !== 'ok') {
      problems.push(status.reason ?? 'it does not run');
    }
    checked.push({ entry, enabled: true, status, problems, isMissing: host === undefined });
    await prepared.discard();
  }
  return checked;
}

function problemText({ path, message }: PluginProblem): string {
  return `${path.join('.')}: ${message}`;
}

const NO_OBSERVER: PluginObserver = {
  called: () => undefined,
  ended: () => undefined,
  started: () => undefined,
  skipped: () => undefined,
  logged: () => undefined,
  counted: () => undefined,
};

/** `weir plugins test`. @returns the exit code of the tests */
export function testPlugin(folder: string, cwd: string): Promise<number> {
  const child = spawn(process.execPath, ['--no-install', 'test', '.'], {
    cwd: resolve(cwd, folder),
    stdio: 'inherit',
  });
  const { promise, resolve: done, reject } = Promise.withResolvers<number>();
  child.once('error', reject);
  child.once('exit', (code) => done(code ?? EXIT.failure));
  return promise;
}
