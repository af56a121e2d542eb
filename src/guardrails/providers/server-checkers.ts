import type { ServerKind } from '../../config/guardrail-server-schema.ts';
import type { GuardrailSettings } from '../../config/schema.ts';
import type { Clock } from '../../core/clock.ts';
import type { Transport } from '../../core/transport.ts';
import type { GuardrailChecker } from '../guardrail.ts';
import type { ServerAdapter } from './server-adapter.ts';
import { ServerChecker } from './server-checker.ts';

/** What checkers that ask servers are made with. */
export interface ServerServices {
  readonly transport: Transport;
  readonly clock: Clock;
}

type LoadAdapter = (
  id: string,
  settings: NonNullable<GuardrailSettings['server']>,
  services: ServerServices,
) => Promise<ServerAdapter>;

/** The services. Each is loaded with its first check. */
const ADAPTERS: Readonly<Record<ServerKind, LoadAdapter>> = {
  http: async (id, settings) => (await import('./http.ts')).httpAdapter(id, settings),
  'openai-moderation': async (_, settings) =>
    (await import('./openai-moderation.ts')).openAiModerationAdapter(settings),
  'azure-content-safety': async (_, settings) =>
    (await import('./azure-content-safety.ts')).azureContentSafetyAdapter(settings),
  'bedrock-guardrail': async (_, settings, { clock }) =>
    (await import('./bedrock-guardrail.ts')).bedrockGuardrailAdapter(settings, clock),
  'model-armor': async (_, settings, services) =>
    (await import('./model-armor.ts')).modelArmorAdapter(settings, services),
  lakera: async (_, settings) => (await import('./lakera.ts')).lakeraAdapter(settings),
  presidio: async (_, settings) => (await import('./presidio.ts')).presidioAdapter(settings),
};

/** Calls end with the time of the guardrail; this is for those without one. Milliseconds. */
const LONGEST_CALL_MS = 60_000;

type CreateServerChecker = (
  settings: GuardrailSettings,
  services: { readonly servers?: ServerServices | undefined },
) => GuardrailChecker;

/** The kinds of guardrails that ask a server. */
export const SERVER_CHECKERS: Readonly<Record<ServerKind, CreateServerChecker>> = {
  http: checkerOf('http'),
  'openai-moderation': checkerOf('openai-moderation'),
  'azure-content-safety': checkerOf('azure-content-safety'),
  'bedrock-guardrail': checkerOf('bedrock-guardrail'),
  'model-armor': checkerOf('model-armor'),
  lakera: checkerOf('lakera'),
  presidio: checkerOf('presidio'),
};

function checkerOf(kind: ServerKind): CreateServerChecker {
  return ({ id, action, server, timeout = LONGEST_CALL_MS }, { servers }) => {
    if (!server) throw new TypeError(`the guardrail "${id}" has no server`);
    if (!servers) throw new Error(`the guardrail "${id}" asks a server, which this command does not`);
    return new ServerChecker({
      ...{ action, timeoutMs: timeout, settings: server, ...servers },
      load: () => ADAPTERS[kind](id, server, servers),
    });
  };
}
