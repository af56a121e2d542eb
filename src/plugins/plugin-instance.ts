import type { Hook } from './loaded-plugin.ts';
import type { PluginManifest } from './manifest.ts';
import type { PluginConfigIssue } from './plugin-config.ts';
import type { PluginExitReason } from './plugin-failure.ts';

/** How loading a plugin ended. */
export type LoadOutcome =
  | { readonly kind: 'ready'; readonly manifest: PluginManifest }
  /** The configuration is not that of the plugin. */
  | { readonly kind: 'rejected'; readonly issues: readonly PluginConfigIssue[] }
  /** The module is no plugin of this contract. */
  | { readonly kind: 'unusable'; readonly message: string }
  /** It threw, exited, or took too long: the next try may succeed. */
  | { readonly kind: 'failed'; readonly message: string };

/** Receives what an instance reports beside the results of calls. */
export interface InstanceEvents {
  readonly onLog: (level: string, message: string) => void;
  readonly onCount: (name: string, amount: number) => void;
  /** It ended without being closed. Called once, after the load. */
  readonly onExit: (reason: PluginExitReason, detail: string) => void;
}

/** A running plugin. */
export interface PluginInstance {
  /** Resolves within the deadline of loading. Never rejects. */
  readonly loaded: Promise<LoadOutcome>;
  /** Bytes of memory; undefined where it has no process of its own. */
  readonly memory: number | undefined;
  /**
   * Calls a function of the plugin.
   * @param timeoutMs until the call fails
   * @returns plain data, as the plugin returned it
   * @throws PluginFailure
   */
  call(hook: Hook, data: unknown, timeoutMs: number): Promise<unknown>;
  /** Ends the plugin: at once where calls are in flight for more than a second. */
  close(): Promise<void>;
}

/** What an instance is started with. */
export interface InstanceSettings {
  readonly id: string;
  /** URL of the module. */
  readonly module: string;
  /** The folder of the module. */
  readonly folder: string;
  readonly config: unknown;
  readonly env: Readonly<Record<string, string>>;
  /** Bytes. */
  readonly memoryLimit: number;
  readonly loadTimeoutMs: number;
}

/** Starts a plugin. Tests inject another function. */
export type StartInstance = (settings: InstanceSettings, events: InstanceEvents) => PluginInstance;
