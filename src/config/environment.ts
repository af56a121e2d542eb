import { type ConfigMap, isConfigMap } from './document.ts';
import type { Environment } from './interpolate.ts';
import type { Origins } from './origins.ts';
import { formatPath } from './path.ts';

export const CONFIG_VARIABLE = 'WEIR_CONFIG';
export const DATA_DIR_VARIABLE = 'WEIR_DATA_DIR';

export interface ConfigVariable {
  readonly name: string;
  readonly section: string;
  readonly key: string;
  /** From the variable's text to what the file would hold there. */
  readonly read: (value: string) => unknown;
  /** For the documentation. */
  readonly note?: string;
}

const asIs = (value: string): unknown => value;
const lowerCase = (value: string): unknown => value.toLowerCase();
const portOrOff = (value: string): unknown => (value.toLowerCase() === 'off' ? null : value);

/** The variables that win over the file. One that is empty counts as not set. */
export const CONFIG_VARIABLES: readonly ConfigVariable[] = [
  { name: 'SERVER_HOST', section: 'server', key: 'host', read: asIs },
  { name: 'SERVER_PORT', section: 'server', key: 'port', read: asIs },
  {
    name: 'METRICS_PORT',
    section: 'server',
    key: 'metrics_port',
    read: portOrOff,
    note: '`off` disables it.',
  },
  { name: 'DATABASE_URL', section: 'storage', key: 'database_url', read: asIs },
  { name: 'REDIS_URL', section: 'storage', key: 'redis_url', read: asIs },
  { name: 'LOG_LEVEL', section: 'log', key: 'level', read: lowerCase, note: 'Upper or lower case.' },
  { name: 'LOG_FORMAT', section: 'log', key: 'format', read: lowerCase, note: 'Upper or lower case.' },
];

/** The value of a variable that is set and not empty. */
export function variable(env: Environment, name: string): string | undefined {
  const value = Object.hasOwn(env, name) ? env[name] : undefined;
  return value === '' ? undefined : value;
}

/** Puts the environment's values into the file's, in place, and notes that they came from there. */
export function applyEnvironment(
  root: ConfigMap,
  env: Environment,
  origins: Origins,
  unreadable: Set<string>,
): void {
  const put = (section: string, key: string, name: string, value: unknown): void => {
    const target = sectionOf(root, section, name, origins);
    if (target === null) return;
    target[key] = value;
    origins.set([section, key], { kind: 'environment', variable: name });
    unreadable.delete(formatPath([section, key]));
  };
  for (const { name, section, key, read } of CONFIG_VARIABLES) {
    const value = variable(env, name);
    if (value !== undefined) put(section, key, name, read(value));
  }
  const directory = variable(env, DATA_DIR_VARIABLE);
  const storage = root.storage;
  const given = isConfigMap(storage) && Object.hasOwn(storage, 'database_url');
  if (directory === undefined) return;
  put('storage', 'data_dir', DATA_DIR_VARIABLE, directory);
  if (!given) put('storage', 'database_url', DATA_DIR_VARIABLE, `sqlite:${directory}`);
}

/** The section to put a value into; null when the file has something else there, which is an error of its own. */
function sectionOf(root: ConfigMap, section: string, name: string, origins: Origins): ConfigMap | null {
  const present = root[section];
  if (isConfigMap(present)) return present;
  if (present !== undefined && present !== null) return null;
  const made: ConfigMap = Object.create(null);
  root[section] = made;
  if (origins.get([section]) === undefined) origins.set([section], { kind: 'environment', variable: name });
  return made;
}
