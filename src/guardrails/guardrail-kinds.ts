import { createHash } from 'node:crypto';
import type { GuardrailKind } from '../config/guardrail-schema.ts';
import type { GuardrailSettings } from '../config/schema.ts';
import type { PluginHost } from '../plugins/host.ts';
import { Guardrail, type GuardrailChecker, type GuardrailLevel } from './guardrail.ts';
import { InjectionChecker } from './kinds/injection.ts';
import { JudgeChecker } from './kinds/judge.ts';
import { PiiChecker } from './kinds/pii.ts';
import { RulesChecker } from './kinds/rules.ts';
import { PluginChecker } from './providers/plugin.ts';
import { SERVER_CHECKERS, type ServerServices } from './providers/server-checkers.ts';

/** What kinds are made with. */
export interface GuardrailKindServices {
  /** The key of hashes in redacted texts. */
  readonly hashSecret: string;
  /** Absent in commands that call no server. */
  readonly servers?: ServerServices | undefined;
  /** The plugins of the configuration. */
  readonly plugins?: readonly PluginHost[] | undefined;
}

/** Makes the checker of one kind. @throws Error for settings that the schema cannot reject */
export type CreateChecker = (
  settings: GuardrailSettings,
  services: GuardrailKindServices,
) => GuardrailChecker;

const DEFAULT_TIMEOUT_MS = 2_000;

/** All kinds of guardrails. A new kind is a file in `kinds/`, its settings in the schema, and a line here. */
const CHECKERS: Readonly<Record<GuardrailKind, CreateChecker>> = {
  pii: (settings, { hashSecret }) => new PiiChecker(settings, hashSecret),
  injection: ({ injection, timeout = DEFAULT_TIMEOUT_MS }) => new InjectionChecker(injection ?? {}, timeout),
  judge: ({ id, judge }) => {
    if (!judge) throw new Error(`the guardrail "${id}" has no "judge"`);
    return new JudgeChecker(judge);
  },
  rules: ({ action, rules }) => new RulesChecker(action, rules ?? {}),
  plugin: ({ plugin = '', action }, { plugins = [] }) =>
    new PluginChecker(plugin, action, () => plugins.find(({ id }) => id === plugin)),
  ...SERVER_CHECKERS,
};

const VERSION_LENGTH = 8;

/** @throws Error for settings that the schema cannot reject */
export function createGuardrail(
  settings: GuardrailSettings,
  level: GuardrailLevel,
  services: GuardrailKindServices,
): Guardrail {
  const { id, kind, on, action, models, when } = settings;
  const observes = action === 'flag' || action === 'shadow';
  return new Guardrail(
    {
      ...{ id, kind, level, on, action, models, when },
      version: settings.version ?? versionOf(settings),
      fail: settings.fail ?? (observes ? 'open' : 'closed'),
      run: settings.run ?? (observes ? 'beside' : 'before'),
      timeoutMs: settings.timeout ?? DEFAULT_TIMEOUT_MS,
    },
    checkerOf(settings, services),
  );
}

function checkerOf(settings: GuardrailSettings, services: GuardrailKindServices): GuardrailChecker {
  try {
    return CHECKERS[settings.kind](settings, services);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`The guardrail "${settings.id}" cannot be used: ${reason}`, { cause: error });
  }
}

/** A digest of the settings: it changes whenever they do. */
function versionOf(settings: GuardrailSettings): string {
  return createHash('sha256').update(JSON.stringify(settings)).digest('hex').slice(0, VERSION_LENGTH);
}
