import type { LoadedConfig } from '../../config/assemble.ts';
import { type CheckedPlugin, examinePlugins } from '../plugins.ts';
import type { Finding } from './finding.ts';

/** Starts each plugin of the configuration as the gateway does, waits until it is loaded, and ends it. */
export async function checkPlugins(
  loaded: Pick<LoadedConfig, 'config' | 'file'>,
  options: { readonly env: Readonly<Record<string, string | undefined>>; readonly cwd: string },
): Promise<Finding[]> {
  if (loaded.config.plugins.length === 0) return [];
  const plugins = await examinePlugins({ ...loaded, ...options });
  return plugins.flatMap((plugin) => [findingOf(plugin), ...missingGuardrails(plugin, loaded)]);
}

function findingOf({ entry, enabled, status, problems, isMissing }: CheckedPlugin): Finding {
  const check = `plugin ${entry.id}`;
  if (!enabled) return { check, level: 'ok', message: 'disabled, not loaded' };
  if (problems.length === 0) {
    const version = status?.version === undefined ? '' : ` ${status.version}`;
    const parts = status?.kinds.join(', ') ?? '';
    return { check, level: 'ok', message: `${status?.name ?? ''}${version} loads: ${parts}` };
  }
  const advice = isMissing
    ? 'Correct "module": a path relative to the configuration file, or the name of a package that is installed there.'
    : problems.some((problem) => problem.startsWith('config'))
      ? 'Correct "config" of the plugin in the configuration file.'
      : `Run \`weir plugins test\` in its folder; docs/plugins.md describes the contract, and "load_timeout" how long its start may take.`;
  return { check, level: 'problem', message: problems.join('\n'), advice };
}

/** Guardrails that name a plugin without a guardrail: every check would fail. */
function missingGuardrails(
  { entry, status, problems }: CheckedPlugin,
  { config }: Pick<LoadedConfig, 'config'>,
): Finding[] {
  if (!status || problems.length > 0 || status.kinds.includes('guardrail')) return [];
  return config.guardrails
    .filter(({ kind, plugin }) => kind === 'plugin' && plugin === entry.id)
    .map(({ id }) => ({
      check: `guardrail ${id}`,
      level: 'problem',
      message: `plugin "${entry.id}" has no guardrail: it has ${status.kinds.join(', ')}`,
      advice: 'Name another plugin in "plugin", or return "guardrail" from its "setup" (docs/plugins.md).',
    }));
}
