import { resolve } from 'node:path';
import { assembleConfig, type LoadedConfig } from './assemble.ts';
import { readDocument } from './document.ts';
import { CONFIG_VARIABLE, variable } from './environment.ts';
import { ConfigError, fileIssue } from './errors.ts';
import { DEFAULT_CONFIG_FILE, MAX_CONFIG_BYTES, type ReadFile, readBounded } from './file.ts';
import type { LoadOptions } from './without-file.ts';

export type { LoadedConfig } from './assemble.ts';

/**
 * Reads the configuration: `file`, else the file that `WEIR_CONFIG` names, else `weir.yaml` if there is one, then the
 * environment, which overrides it.
 *
 * @param current the last one: it is returned when its file has not changed
 * @throws ConfigError with all errors
 */
export function loadConfig(
  { env, cwd, catalog, file, readFile = readBounded }: LoadOptions,
  current?: LoadedConfig,
): LoadedConfig {
  const byVariable = file === undefined ? variable(env, CONFIG_VARIABLE) : undefined;
  const named = file ?? byVariable;
  const label = named ?? DEFAULT_CONFIG_FILE;
  const path = resolve(cwd, label);
  const origin = byVariable === undefined ? '' : ` (${CONFIG_VARIABLE} names it)`;
  const text = readConfigText({ path, label, origin, required: named !== undefined }, readFile);
  if (current && text !== null && current.file === path && current.text === text) return current;
  return assembleConfig({
    readDocument: () => readDocument(text ?? '', env),
    file: text === null ? null : { label, path, text },
    env,
    catalog,
  });
}

interface NamedFile {
  readonly path: string;
  /** For messages. */
  readonly label: string;
  /** Who named it, for messages. */
  readonly origin: string;
  readonly required: boolean;
}

/** The file's text; null when it may be absent and is. */
function readConfigText({ path, label, origin, required }: NamedFile, readFile: ReadFile): string | null {
  let bytes: Uint8Array;
  try {
    bytes = readFile(path);
  } catch (cause) {
    const code = errorCode(cause);
    if (code === 'ENOENT' && !required) return null;
    const reason = code === 'ENOENT' ? `there is no such file${origin}` : `cannot be read (${code})`;
    throw new ConfigError([fileIssue(label, reason)], { cause });
  }
  if (bytes.byteLength > MAX_CONFIG_BYTES) {
    const limit = MAX_CONFIG_BYTES / 1024 ** 2;
    throw new ConfigError([fileIssue(label, `is larger than ${limit} MiB; is it the right file?`)]);
  }
  return decode(bytes, label);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
const BINARY = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/;

function decode(bytes: Uint8Array, label: string): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ConfigError([fileIssue(label, 'is not UTF-8 text')], { cause });
  }
  const binary = BINARY.exec(text);
  if (binary !== null) {
    const line = text.slice(0, binary.index).split('\n').length;
    const column = binary.index - text.lastIndexOf('\n', binary.index);
    const issue = fileIssue(label, 'is not a text file: it contains control characters');
    throw new ConfigError([{ ...issue, line, column }]);
  }
  return text;
}

function errorCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : String(error);
}
