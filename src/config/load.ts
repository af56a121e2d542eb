import { resolve } from 'node:path';
import type { ProviderCatalog } from './catalog.ts';
import { checkConsistency } from './consistency.ts';
import { type ConfigDocument, type ConfigMap, isConfigMap, readDocument } from './document.ts';
import { applyEnvironment, CONFIG_VARIABLE, variable } from './environment.ts';
import { ConfigError, fileIssue, formatIssue } from './errors.ts';
import { MAX_CONFIG_BYTES, type ReadFile, readBounded } from './file.ts';
import type { Environment } from './interpolate.ts';
import { describeConfig } from './json-schema.ts';
import { describeIssue, toProblems } from './messages.ts';
import type { Origins, Problem } from './origins.ts';
import { outlineOf } from './outline.ts';
import { formatPath } from './path.ts';
import { checkReferences } from './references.ts';
import { type Config, createConfigSchema } from './schema.ts';

export const DEFAULT_CONFIG_FILE = 'weir.yaml';

export interface LoadOptions {
  readonly env: Environment;
  /** What relative paths are relative to. */
  readonly cwd: string;
  readonly catalog: ProviderCatalog;
  readonly readFile?: ReadFile;
}

export interface LoadedConfig {
  /** Frozen, with every default filled in. */
  readonly config: Config;
  /** The absolute path of the file that was read; null when there is none. */
  readonly file: string | null;
  /** One line each: what may be wrong but is not an error. */
  readonly warnings: readonly string[];
}

/**
 * Reads the configuration: the file that `WEIR_CONFIG` names, else `weir.yaml` if there is one, then the
 * environment, which wins.
 *
 * @throws ConfigError with everything that is wrong, when anything is
 */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const { env, cwd, catalog } = options;
  const named = variable(env, CONFIG_VARIABLE);
  const label = named ?? DEFAULT_CONFIG_FILE;
  const path = resolve(cwd, label);
  const text = readConfigText(path, label, named !== undefined, options.readFile ?? readBounded);
  const file = text === null ? null : label;
  const document = readDocument(text ?? '', env);
  if (document.broken) throw located(document.problems, document.origins, file);
  const root = document.root ?? Object.create(null);
  if (!isConfigMap(root)) {
    const message = 'expected a map of sections at the top, such as "providers:"';
    throw located([...document.problems, { path: [], message }], document.origins, file);
  }
  applyEnvironment(root, env, document.origins, document.unreadable);
  const { config, warnings } = validate(root, document, catalog, file);
  return { config, file: text === null ? null : path, warnings };
}

function validate(root: ConfigMap, document: ConfigDocument, catalog: ProviderCatalog, file: string | null) {
  const { origins, unreadable } = document;
  const outline = outlineOf(root);
  const references = checkReferences(outline, catalog, origins);
  const result = createConfigSchema(catalog).safeParse(root, {
    error: (issue) => describeIssue(issue, origins),
  });
  const problems: Problem[] = [];
  if (!result.success) {
    const schema = describeConfig(catalog);
    problems.push(...result.error.issues.flatMap((issue) => toProblems(issue, schema)));
  }
  problems.push(...checkConsistency(outline, catalog), ...references.problems);
  const relevant = problems.filter(({ path }) => !path.some((_, end) => isUnreadable(unreadable, path, end)));
  const all = [...document.problems, ...relevant];
  if (all.length > 0 || !result.success) throw located(all, origins, file);
  const warnings = references.warnings.map((warning) => formatIssue(origins.locate(warning, file)));
  return { config: deepFreeze(result.data), warnings };
}

function isUnreadable(unreadable: ReadonlySet<string>, path: Problem['path'], end: number): boolean {
  return unreadable.size > 0 && unreadable.has(formatPath(path.slice(0, end + 1)));
}

/** The file's text; null when it may be absent and is. */
function readConfigText(path: string, label: string, required: boolean, readFile: ReadFile): string | null {
  let bytes: Uint8Array;
  try {
    bytes = readFile(path);
  } catch (cause) {
    const code = errorCode(cause);
    if (code === 'ENOENT' && !required) return null;
    const reason =
      code === 'ENOENT' ? `there is no such file (${CONFIG_VARIABLE} names it)` : `cannot be read (${code})`;
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

function located(problems: readonly Problem[], origins: Origins, file: string | null): ConfigError {
  const issues = problems.map((problem) => origins.locate(problem, file));
  return new ConfigError(
    issues.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)),
  );
}

function errorCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : String(error);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
