import { createHash } from 'node:crypto';
import type { GuardrailKind } from '../config/guardrail-schema.ts';
import type { GuardrailSettings } from '../config/schema.ts';
import type { PluginHost } from '../plugins/host.ts';
import { Guardrail, type GuardrailChecker, type GuardrailLevel } from './guardrail.ts';
import { PiiChecker } from './kinds/pii.ts';
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

/** All kinds of guardrails. A new kind is a file in `kinds/`, its settings in the schema, and a line here. */
const CHECKERS: Readonly<Record<GuardrailKind, CreateChecker>> = {
  pii: (settings, { hashSecret }) => new PiiChecker(settings, hashSecret),
  plugin: ({ plugin = '', action }, { plugins = [] }) =>
    new PluginChecker(plugin, action, () => plugins.find(({ id }) => id === plugin)),
  ...SERVER_CHECKERS,
};

const DEFAULT_TIMEOUT_MS = 2_000;
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
    CHECKERS[kind](settings, services),
  );
}

/** A digest of the settings: it changes whenever they do. */
function versionOf(settings: GuardrailSettings): string {
  return createHash('sha256').update(JSON.stringify(settings)).digest('hex').slice(0, VERSION_LENGTH);
}
