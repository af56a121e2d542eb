import { ConfigSecrets } from '../../app/config-secrets.ts';
import type { LoadedConfig } from '../../config/assemble.ts';
import type { Config } from '../../config/schema.ts';
import { systemClock } from '../../core/clock.ts';
import { type Finding, messageOf } from './finding.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface SecretFindings {
  readonly findings: readonly Finding[];
  /** The configuration with its secrets; undefined when some cannot be read. */
  readonly resolved: { readonly config: Config; readonly env: Environment } | undefined;
}

/** Reads every secret that the configuration refers to. Shows where they are kept, and never a value. */
export async function checkSecrets(loaded: LoadedConfig, env: Environment): Promise<SecretFindings> {
  try {
    const secrets = new ConfigSecrets({ env, clock: systemClock });
    try {
      const places = secrets.placesOf(loaded);
      if (places.size === 0) return { findings: [], resolved: { config: loaded.config, env } };
      const findings = (await secrets.check(loaded)).map((read): Finding => {
        const { text, scheme } = read.reference;
        const check = `secret ${scheme}`;
        const used = `${text} (${(places.get(text) ?? []).join(', ')})`;
        if ('value' in read) return { check, level: 'ok', message: used };
        return {
          ...{ check, level: 'problem', message: `${used}: ${read.error.message}` },
          advice:
            'A running gateway keeps the last value; a start fails. docs/secrets.md describes each store.',
        };
      });
      if (findings.some(({ level }) => level === 'problem')) return { findings, resolved: undefined };
      const config = await secrets.resolve(loaded);
      return { findings, resolved: { config, env: secrets.env } };
    } finally {
      secrets.close();
    }
  } catch (error) {
    return {
      findings: [{ check: 'secrets', level: 'problem', message: messageOf(error) }],
      resolved: undefined,
    };
  }
}
