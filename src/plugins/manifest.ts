import { isRecord, listOf } from '../core/json.ts';
import { EVENT_NAMES, type EventName } from '../events/catalogue.ts';

/** What a loaded plugin says of itself, as data. */
export interface PluginManifest {
  readonly name: string;
  readonly version: string | undefined;
  readonly description: string | undefined;
  readonly interceptor: InterceptorManifest | undefined;
  readonly hasGuardrail: boolean;
  /** Events that its sink receives; undefined where it has none. */
  readonly events: readonly EventName[] | undefined;
  readonly hasStrategy: boolean;
}

export interface InterceptorManifest {
  readonly operations: ReadonlySet<string>;
  /** All where it is empty. */
  readonly models: ReadonlySet<string>;
  readonly hasRequest: boolean;
  readonly hasResponse: boolean;
  readonly hasWindow: boolean;
}

/** The kinds of parts, in the order of messages. */
export const PART_KINDS = ['interceptor', 'guardrail', 'sink', 'strategy'] as const;
export type PartKind = (typeof PART_KINDS)[number];

/** @returns the kinds of a plugin's parts */
export function kindsOf(manifest: PluginManifest): readonly PartKind[] {
  return [
    ...(manifest.interceptor ? (['interceptor'] as const) : []),
    ...(manifest.hasGuardrail ? (['guardrail'] as const) : []),
    ...(manifest.events ? (['sink'] as const) : []),
    ...(manifest.hasStrategy ? (['strategy'] as const) : []),
  ];
}

const NAME = /^[a-z][a-z0-9-]{0,63}$/;
const MAX_LISTED = 1_000;
const DEFAULT_OPERATIONS = ['chat', 'completion'];

/** A plugin does not conform to the contract. */
export class ContractError extends Error {}

/**
 * Describes a plugin by its definition and its parts. Runs where the plugin runs.
 * @throws ContractError that says what the plugin must change
 */
export function describePlugin(definition: unknown, parts: unknown): Readonly<Record<string, unknown>> {
  const { name, version, description } = assertDefinition(definition);
  if (!isRecord(parts)) throw new ContractError('"setup" must return an object with the parts of the plugin');
  const { interceptor, guardrail, sink, strategy } = parts;
  if ([interceptor, guardrail, sink, strategy].every((part) => part === undefined)) {
    throw new ContractError(`"setup" returned no part: expected at least one of ${PART_KINDS.join(', ')}`);
  }
  return {
    name,
    version: typeof version === 'string' ? version.slice(0, 100) : undefined,
    description: typeof description === 'string' ? description.slice(0, 500) : undefined,
    interceptor: interceptor === undefined ? undefined : describeInterceptor(interceptor),
    guardrail: guardrail === undefined ? undefined : hasMethod(guardrail, 'guardrail', 'check'),
    events: sink === undefined ? undefined : sinkEvents(sink),
    strategy: strategy === undefined ? undefined : hasMethod(strategy, 'strategy', 'order'),
  };
}

/** @throws ContractError for a default export that is no plugin of this version */
export function assertDefinition(definition: unknown): Record<string, unknown> & { readonly name: string } {
  if (!isRecord(definition)) {
    throw new ContractError(
      'the module has no plugin as its default export: export default { apiVersion: 1, ... }',
    );
  }
  const { apiVersion, name, setup } = definition;
  if (apiVersion !== 1) {
    throw new ContractError(`"apiVersion" is ${JSON.stringify(apiVersion)}; this gateway supports 1`);
  }
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new ContractError(
      '"name" must be lower-case letters, digits and "-", beginning with a letter, at most 64 characters',
    );
  }
  if (typeof setup !== 'function') throw new ContractError('"setup" must be a function');
  return { ...definition, name };
}

function describeInterceptor(part: unknown): Readonly<Record<string, unknown>> {
  if (!isRecord(part)) throw new ContractError('"interceptor" must be an object');
  const has = (name: string) => {
    const type = typeof part[name];
    if (type !== 'function' && type !== 'undefined') {
      throw new ContractError(`"interceptor.${name}" must be a function`);
    }
    return type === 'function';
  };
  const described = {
    request: has('request'),
    response: has('response'),
    window: has('window'),
    operations: texts(part.operations, 'interceptor.operations'),
    models: texts(part.models, 'interceptor.models'),
  };
  if (described.request || described.response || described.window) return described;
  throw new ContractError('"interceptor" must have at least one of the functions request, response, window');
}

function hasMethod(part: unknown, kind: string, method: string): true {
  if (isRecord(part) && typeof part[method] === 'function') return true;
  throw new ContractError(`"${kind}.${method}" must be a function`);
}

function sinkEvents(part: unknown): readonly string[] {
  hasMethod(part, 'sink', 'handle');
  const events = texts(isRecord(part) ? part.events : undefined, 'sink.events') ?? [];
  if (events.length === 0) throw new ContractError('"sink.events" must be a list of events, or ["*"]');
  const unknown = events.find((name) => name !== '*' && !EVENT_NAMES.some((known) => known === name));
  if (unknown !== undefined) {
    throw new ContractError(
      `"sink.events": there is no event ${JSON.stringify(unknown)}; see docs/events.md`,
    );
  }
  return events;
}

function texts(value: unknown, name: string): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.length <= MAX_LISTED && value.every((item) => typeof item === 'string')) {
    return value;
  }
  throw new ContractError(`"${name}" must be a list of texts`);
}

/**
 * Reads what a plugin's process says of it.
 * @throws ContractError for anything that `describePlugin` does not make
 */
export function readManifest(value: unknown): PluginManifest {
  if (!isRecord(value) || typeof value.name !== 'string' || !NAME.test(value.name)) {
    throw new ContractError('its process sent no description');
  }
  const { name, version, description, interceptor, guardrail, events, strategy } = value;
  const named = new Set(listOf(events));
  return {
    name,
    version: typeof version === 'string' ? version : undefined,
    description: typeof description === 'string' ? description : undefined,
    interceptor: isRecord(interceptor) ? readInterceptor(interceptor) : undefined,
    hasGuardrail: guardrail === true,
    events: Array.isArray(events)
      ? EVENT_NAMES.filter((event) => named.has(event) || named.has('*'))
      : undefined,
    hasStrategy: strategy === true,
  };
}

function readInterceptor(value: Readonly<Record<string, unknown>>): InterceptorManifest {
  const names = (list: unknown) => listOf(list).flatMap((item) => (typeof item === 'string' ? [item] : []));
  return {
    operations: new Set(value.operations === undefined ? DEFAULT_OPERATIONS : names(value.operations)),
    models: new Set(names(value.models)),
    hasRequest: value.request === true,
    hasResponse: value.response === true,
    hasWindow: value.window === true,
  };
}
