import { Origins, type Problem } from './origins.ts';

/** A map as read from the file: without a prototype, so that no key can reach one. */
export type ConfigMap = Record<string, unknown>;

export function isConfigMap(value: unknown): value is ConfigMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export interface ConfigDocument {
  /** Maps (without a prototype), lists, text, numbers, booleans and null, with variables substituted. */
  readonly root: unknown;
  readonly origins: Origins;
  readonly problems: readonly Problem[];
  /** Paths whose value could not be read and is undefined in `root`. Further errors there are follow-on errors. */
  readonly unreadable: Set<string>;
  /** The file is not YAML: there is no content to check. */
  readonly broken: boolean;
}

/** The document of an empty file, or of none. */
export function emptyDocument(): ConfigDocument {
  return { root: null, origins: new Origins(), problems: [], unreadable: new Set(), broken: false };
}
