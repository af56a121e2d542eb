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
  /** The folder that relative paths start from. */
  readonly cwd: string;
  readonly catalog: ConfigCatalog;
  /** The file that the command line names, instead of the environment. */
  readonly file?: string | undefined;
  readonly readFile?: ReadFile;
}

/** True when `loadConfig` would read a file, or would fail because a named file is missing. */
export function hasConfigFile({ env, cwd, file }: Pick<LoadOptions, 'env' | 'cwd' | 'file'>): boolean {
  if (file !== undefined) return true;
  return variable(env, CONFIG_VARIABLE) !== undefined || existsSync(resolve(cwd, DEFAULT_CONFIG_FILE));
}

/**
 * The configuration of the environment alone, as `loadConfig` gives it without a file, and without the YAML parser.
 * @throws ConfigError with all errors
 */
export function configWithoutFile({ env, catalog }: LoadOptions): LoadedConfig {
  return assembleConfig({ readDocument: emptyDocument, file: null, env, catalog });
}
