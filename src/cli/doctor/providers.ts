import { findEngines } from '../../app/find-engines.ts';
import { offlineSnapshot } from '../../app/offline-snapshot.ts';
import { usesEnvironment } from '../../app/providers.ts';
import type { Config } from '../../config/schema.ts';
import { systemClock } from '../../core/clock.ts';
import { type AccessCheck, checkAccess } from '../../providers/access-check.ts';
import type { Provider } from '../../providers/types.ts';
import { type Finding, messageOf } from './finding.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const PROVIDER_TIMEOUT_MS = 8_000;

/**
 * Calls every provider, and looks for engines on this machine where the gateway would.
 * @param search finds the engines
 */
export async function checkProviders(
  config: Config,
  env: Environment,
  search: typeof findEngines = findEngines,
): Promise<Finding[]> {
  try {
    const engines = await search(config, { env, clock: systemClock });
    const snapshot = await offlineSnapshot(config, env, { engines });
    try {
      const providers = snapshot.providers
        .filter(({ lazyEngine }) => !lazyEngine)
        .flatMap((provider) => [provider, ...(provider.accounts ?? [])]);
      const findings = await Promise.all(providers.map((provider) => checkProvider(provider, config)));
      if (snapshot.providers.length === 1) findings.push(onlySimulator(config, env));
      return findings;
    } finally {
      snapshot.close();
    }
  } catch (error) {
    return [{ check: 'providers', level: 'problem', message: messageOf(error) }];
  }
}

function onlySimulator(config: Config, env: Environment): Finding {
  const searched = usesEnvironment(config) && env.WEIR_DETECT_ENGINES !== '0';
  return {
    check: 'providers',
    level: 'warning',
    message: `only the simulator is configured${
      searched ? ', and no engine responds on the usual ports of this machine' : ''
    }`,
    advice: 'Set a key such as OPENAI_API_KEY, or configure providers in weir.yaml (docs/configuration.md).',
  };
}

async function checkProvider(provider: Provider, config: Config): Promise<Finding> {
  const check = `provider ${provider.id}${provider.account === undefined ? '' : ` key ${provider.account}`}`;
  const { profile, baseUrl } = provider;
  const startedAt = systemClock.now();
  let result: AccessCheck;
  try {
    result = await checkAccess(provider, PROVIDER_TIMEOUT_MS);
  } catch (error) {
    return {
      check,
      level: 'problem',
      message: messageOf(error),
      advice: `Check base_url (${URL.parse(baseUrl)?.host ?? baseUrl}) and the credential, and that this machine can connect to it.`,
    };
  }
  if (result.credential === 'missing') {
    return {
      check,
      level: 'problem',
      message: `${profile.label} needs a key; none is configured`,
      advice: `Set api_key, or ${profile.environment?.key ?? 'its variable'} in the environment.`,
    };
  }
  if (profile.isSimulated) return { check, level: 'ok', message: 'built in' };
  const took = `reachable in ${Math.round(systemClock.now() - startedAt)} ms`;
  return describe({ check, took, result, missing: missingModels(provider, config, result) });
}

interface Checked {
  readonly check: string;
  readonly took: string;
  readonly result: AccessCheck;
  readonly missing: readonly string[];
}

function describe({ check, took, result: { credential, models }, missing }: Checked): Finding {
  const key = { accepted: 'key accepted', none: 'no key configured', missing: '', not_checked: '' }[
    credential
  ];
  if (credential === 'not_checked' || (credential === 'none' && models === undefined)) {
    return {
      check,
      level: 'not_checked',
      message: `${took}, but it has no model list${credential === 'none' ? '' : ' that would show whether its key is valid'}`,
      advice: 'Send it a request to be sure. If it should have a model list, check the path of base_url.',
    };
  }
  if (missing.length > 0) {
    return {
      check,
      level: 'warning',
      message: `${took}, ${key}, but it does not list ${missing.join(', ')}`,
      advice: 'Check the spelling in models[].targets. Some providers list only part of their models.',
    };
  }
  const count =
    models === undefined
      ? 'its models are not checked'
      : `${models.length} model${models.length === 1 ? '' : 's'}`;
  return { check, level: 'ok', message: `${took}, ${key}, ${count}` };
}

/** Configured targets that a provider's list lacks. */
function missingModels({ id }: Provider, config: Config, { models }: AccessCheck): string[] {
  if (models === undefined || models.length === 0) return [];
  const known = new Set(models.map((model) => model.id));
  const targets = config.models.flatMap((model) => model.targets);
  const missing = targets.filter(({ provider, model }) => provider === id && !known.has(model));
  return [...new Set(missing.map(({ model }) => model))];
}
