import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/core/clock.ts';
import { ChildInstance } from '../../src/plugins/child-instance.ts';
import { PluginHost, type PluginObserver, type PluginSettings } from '../../src/plugins/host.ts';
import type { LoadOutcome, StartInstance } from '../../src/plugins/plugin-instance.ts';
import { Waiters } from './waiters.ts';

/** A plugin that misbehaves in the way that its configuration, or a text with `do:<what>`, asks for. */
export const MISBEHAVING = fileURLToPath(new URL('./fixtures/plugins/misbehaving.mjs', import.meta.url));

/** The example plugin of a name. */
export function examplePlugin(name: string): string {
  return fileURLToPath(new URL(`../../examples/plugins/${name}/index.ts`, import.meta.url));
}

/** Writes a module into a fresh folder. @returns its path, and what removes the folder */
export function pluginFile(source: string, name = 'plugin.mjs'): { readonly path: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'weir-plugin-'));
  const path = join(folder, name);
  writeFileSync(path, source);
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** What a host reported, one line each. */
export class PluginReports implements PluginObserver {
  readonly lines: string[] = [];
  readonly #waiters = new Waiters();

  called(plugin: string, hook: string, outcome: string): void {
    this.#add(`${plugin} called ${hook} ${outcome}`);
  }

  ended(plugin: string, reason: string, detail: string, restartMs: number | undefined): void {
    this.#add(`${plugin} ended ${reason}: ${detail}${restartMs === undefined ? '; disabled' : ''}`);
  }

  started(plugin: string): void {
    this.#add(`${plugin} started`);
  }

  skipped(plugin: string): void {
    this.#add(`${plugin} skipped`);
  }

  logged(plugin: string, level: string, message: string): void {
    this.#add(`${plugin} ${level} ${message}`);
  }

  counted(plugin: string, name: string, amount: number): void {
    this.#add(`${plugin} counted ${name} ${amount}`);
  }

  /** Resolves when a number of lines match. */
  async until(pattern: RegExp, count = 1): Promise<void> {
    await this.#waiters.until(
      String(pattern),
      () => this.lines.filter((line) => pattern.test(line)).length >= count,
    );
  }

  #add(line: string): void {
    this.lines.push(line);
    this.#waiters.changed();
  }
}

export interface StartedPlugin {
  readonly host: PluginHost;
  readonly reports: PluginReports;
  readonly outcome: LoadOutcome;
}

/** Starts a plugin in a process of its own, with short deadlines. */
export async function startPlugin(
  module: string,
  settings: Partial<PluginSettings> = {},
  start: StartInstance = (one, events) => new ChildInstance(one, events),
): Promise<StartedPlugin> {
  const reports = new PluginReports();
  const host = new PluginHost(
    {
      ...{ id: 'p', module, folder: tmpdir(), config: {}, env: { PATH: process.env.PATH ?? '' } },
      ...{ memoryLimit: 256 * 1024 * 1024, loadTimeoutMs: 20_000, timeoutMs: 5_000, fail: 'open' },
      ...settings,
    },
    start,
    reports,
    systemClock,
  );
  return { host, reports, outcome: await host.load() };
}
