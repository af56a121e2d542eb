import { isRecord } from '../core/json.ts';
import type { PluginHost } from './contract.ts';
import { assertDefinition, ContractError, describePlugin } from './manifest.ts';
import { checkPluginConfig, type PluginConfigIssue } from './plugin-config.ts';

/** The configuration does not conform to the plugin's schema. */
export class PluginConfigError extends Error {
  constructor(readonly issues: readonly PluginConfigIssue[]) {
    super('the configuration of the plugin is not valid');
  }
}

/** The functions of plugins that the gateway calls, by the name of the call. */
const HOOKS = {
  request: ['interceptor', 'request'],
  response: ['interceptor', 'response'],
  window: ['interceptor', 'window'],
  check: ['guardrail', 'check'],
  events: ['sink', 'handle'],
  order: ['strategy', 'order'],
} as const;

export type Hook = keyof typeof HOOKS;

/** @returns the hook of a name from outside */
export function hookOf(name: unknown): Hook | undefined {
  return typeof name === 'string' && isHook(name) ? name : undefined;
}

function isHook(name: string): name is Hook {
  return Object.hasOwn(HOOKS, name);
}

/** A plugin that is set up, in the process that it runs in. */
export class LoadedPlugin {
  private constructor(
    readonly description: Readonly<Record<string, unknown>>,
    private readonly parts: Readonly<Record<string, unknown>>,
  ) {}

  /**
   * Checks the configuration, and sets the plugin up.
   * @param exported the module
   * @throws ContractError, PluginConfigError, or what the plugin throws
   */
  static async create(exported: unknown, config: unknown, host: PluginHost): Promise<LoadedPlugin> {
    const definition = assertDefinition(isRecord(exported) ? exported.default : undefined);
    const checked = await checkPluginConfig(definition.config, config);
    if (checked.issues) throw new PluginConfigError(checked.issues);
    const { setup } = definition;
    if (typeof setup !== 'function') throw new ContractError('"setup" must be a function');
    const parts: unknown = await Reflect.apply(setup, definition, [checked.config, host]);
    const description = describePlugin(definition, parts);
    return new LoadedPlugin(description, isRecord(parts) ? parts : {});
  }

  /** Calls a function of the plugin. Rejects with what it throws. */
  async call(hook: Hook, data: unknown): Promise<unknown> {
    const [kind, method] = HOOKS[hook];
    const part = this.parts[kind];
    const called = isRecord(part) ? part[method] : undefined;
    if (typeof called !== 'function') throw new ContractError(`the plugin has no ${kind}.${method}`);
    return Reflect.apply(called, part, [data]);
  }

  async close(): Promise<void> {
    const { close } = this.parts;
    if (typeof close === 'function') await Reflect.apply(close, this.parts, []);
  }
}
