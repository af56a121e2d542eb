import { CONFIG_CATALOG } from '../app/config-catalog.ts';
import { runningGateway } from '../app/data-folder.ts';
import type { LoadedConfig } from '../config/assemble.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { checkEmbedder } from './doctor/embedder.ts';
import { countFindings, type Finding, messageOf, printFinding } from './doctor/finding.ts';
import { checkGuardrailServers } from './doctor/guardrails.ts';
import { checkEngineCommands, checkFileLimit, checkPorts, checkTls } from './doctor/machine.ts';
import { checkPlugins } from './doctor/plugins.ts';
import { checkProviders } from './doctor/providers.ts';
import { checkRegions } from './doctor/regions.ts';
import { checkSecrets } from './doctor/secrets.ts';
import { checkRedis, checkStores } from './doctor/stores.ts';
import { checkWorkers } from './doctor/workers.ts';
import { EXIT, type Output } from './output.ts';

export interface DoctorOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** The configuration file that the command line names. */
  readonly file?: string | undefined;
  readonly output: Output;
  readonly json: boolean;
}

/**
 * Checks everything that a start needs, and says what to fix. Changes nothing, and works beside a running gateway.
 * @returns exit code 1 when something will not work
 */
export async function doctor(options: DoctorOptions): Promise<number> {
  const { output, json } = options;
  const findings: Finding[] = [];
  const report = (finding: Finding) => {
    findings.push(finding);
    if (!json) printFinding(output, finding);
  };
  const loaded = readConfig(options, report);
  const secrets = loaded && (await checkSecrets(loaded, options.env));
  for (const finding of secrets?.findings ?? []) report(finding);
  const { config, env = options.env } = secrets?.resolved ?? {};
  if (loaded && config) {
    for (const finding of await checkStores(config, env)) report(finding);
    if (config.storage.redis_url !== null) report(await checkRedis(config, config.storage.redis_url));
    for (const finding of checkWorkers(config, env.PATH)) report(finding);
    for (const finding of await checkRegions(config, env)) report(finding);
    for (const finding of await checkEmbedder(config)) report(finding);
    for (const finding of await checkPorts(config)) report(finding);
    if (config.server.tls !== null) report(await checkTls(config.server.tls));
    report(checkFileLimit());
    for (const finding of await checkProviders(config, env)) report(finding);
    for (const finding of checkEngineCommands(config, env.PATH)) report(finding);
    for (const finding of await checkPlugins(loaded, options)) report(finding);
    for (const finding of await checkGuardrailServers(config, env)) report(finding);
  }
  const isSound = findings.every(({ level }) => level !== 'problem');
  if (json) output.out(JSON.stringify({ ok: isSound, findings }));
  else output.out(`\n${countFindings(findings)} ${verdict(isSound, config)}`);
  return isSound ? EXIT.ok : EXIT.failure;
}

function readConfig(
  { env, cwd, file: named }: DoctorOptions,
  report: (finding: Finding) => void,
): LoadedConfig | undefined {
  try {
    const loaded = loadConfig({
      ...{ env, cwd, catalog: CONFIG_CATALOG, file: named },
    });
    const { file, warnings } = loaded;
    report({ check: 'config', level: 'ok', message: file ?? 'no file; environment and defaults' });
    for (const warning of warnings) report({ check: 'config', level: 'warning', message: warning });
    return loaded;
  } catch (error) {
    report({
      check: 'config',
      level: 'problem',
      message: messageOf(error),
      advice: 'Correct the file. `weir config schema` prints a JSON Schema for your editor.',
    });
    return undefined;
  }
}

function verdict(isSound: boolean, config: Config | undefined): string {
  if (!isSound) return 'Weir will not work as configured.';
  return config && runningGateway(config) ? 'Weir is running.' : 'Weir can start.';
}
