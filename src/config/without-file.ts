import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { assembleConfig, type LoadedConfig } from './assemble.ts';
import type { ConfigCatalog } from './catalog.ts';
import { emptyDocument } from './config-document.ts';
import { CONFIG_VARIABLE, variable } from './environment.ts';
import { DEFAULT_CONFIG_FILE, type ReadFile } from './file.ts';
import type { Environment } from './interpolate.ts';

export interface LoadOptions {
  readonly env: Environment;
  /** What relative paths are relative to. */
  readonly cwd: string;
  readonly catalog: ConfigCatalog;
  readonly readFile?: ReadFile;
}

/** Whether `loadConfig` would read a file, or fail for want of one that is named. */
export function hasConfigFile({ env, cwd }: Pick<LoadOptions, 'env' | 'cwd'>): boolean {
  return variable(env, CONFIG_VARIABLE) !== undefined || existsSync(resolve(cwd, DEFAULT_CONFIG_FILE));
}

/**
 * The configuration of the environment alone, as `loadConfig` gives it without a file, and without the YAML parser.
 * @throws ConfigError with everything that is wrong, when anything is
 */
export function configWithoutFile({ env, catalog }: LoadOptions): LoadedConfig {
  return assembleConfig({ document: emptyDocument(), file: null, env, catalog });
}
