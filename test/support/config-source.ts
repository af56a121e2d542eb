import { ConfigError } from '../../src/config/errors.ts';
import { type LoadedConfig, loadConfig } from '../../src/config/load.ts';
import { testCatalog } from './provider-catalog.ts';

type Variables = Readonly<Record<string, string>>;

/** Loads a file's text as `weir.yaml`. */
export function loadText(text: string | Uint8Array, env: Variables = {}): LoadedConfig {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
  return loadConfig({ env, cwd: '/cwd', catalog: testCatalog, readFile: () => bytes });
}

/** The error that loading the text ends with. */
export function faultOf(text: string | Uint8Array, env: Variables = {}): ConfigError {
  try {
    loadText(text, env);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

/** One line for each fault: `12:7 providers[1].kind: message`. */
export function faultsOf(text: string | Uint8Array, env: Variables = {}): string[] {
  return faultOf(text, env).issues.map(({ variable, line, column, path, message }) => {
    const place = variable ?? `${line}:${column}`;
    return path === '' ? `${place} ${message}` : `${place} ${path}: ${message}`;
  });
}
