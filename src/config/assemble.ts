import type { ConfigCatalog } from './catalog.ts';
import { type ConfigDocument, isConfigMap } from './config-document.ts';
import { checkConsistency } from './consistency.ts';
import { applyEnvironment } from './environment.ts';
import { ConfigError, formatIssue } from './errors.ts';
import type { Environment } from './interpolate.ts';
import { describeConfig } from './json-schema.ts';
import { describeIssue, toProblems } from './messages.ts';
import type { Origins, Problem } from './origins.ts';
import { outlineOf } from './outline.ts';
import { applyOverlay, type ConfigOverlay } from './overlay.ts';
import { formatPath } from './path.ts';
import { checkReferences } from './references.ts';
import { type Config, configSchema } from './schema.ts';
import {
  findSecretUses,
  forbiddenUses,
  referencesIn,
  type SecretUse,
  type SecretUses,
} from './secret-paths.ts';
import { secretIssues } from './secret-variables.ts';
import { sharedTargetWarnings } from './shared-targets.ts';

export interface LoadedConfig {
  /** Frozen, with every default filled in. Secret references stand as they are, so that it can be shown and compared. */
  readonly config: Config;
  /** The secret references that it contains. */
  readonly secretUses: readonly SecretUse[];
  /** The absolute path of the file that was read; null when there is none. */
  readonly file: string | null;
  /** Its text. */
  readonly text: string | null;
  /** Possible mistakes that are not errors, one line each. */
  readonly warnings: readonly string[];
  /** Where its values come from. */
  readonly origins: Origins;
  /**
   * The same file and environment with another overlay.
   * @throws ConfigError with all errors
   */
  readonly withOverlay: (overlay: ConfigOverlay) => LoadedConfig;
  /**
   * The same configuration with secrets in place of references.
   * @param secrets by the text of the reference
   * @throws ConfigError where a secret is not valid at its place
   */
  readonly withSecrets: (secrets: ReadonlyMap<string, string>) => Config;
}

export interface ConfigSource {
  /** @returns a document of its own at each call */
  readonly readDocument: () => ConfigDocument;
  /** The file of the document: its name for messages, and its absolute path; null when there is none. */
  readonly file: { readonly label: string; readonly path: string; readonly text: string } | null;
  readonly env: Environment;
  readonly catalog: ConfigCatalog;
  /** What the admin API changed; nothing when absent. */
  readonly overlay?: ConfigOverlay;
  /** Secrets by the text of their reference; references stay when absent. */
  readonly secrets?: ReadonlyMap<string, string>;
}

/**
 * Applies the environment and an overlay to a document, and validates the result.
 * @throws ConfigError with all errors
 */
export function assembleConfig(source: ConfigSource): LoadedConfig {
  const { file, env, catalog, overlay = [] } = source;
  const document = source.readDocument();
  const label = file?.label ?? null;
  if (document.broken) throw located(document.problems, document.origins, label);
  const root = document.root ?? Object.create(null);
  if (!isConfigMap(root)) {
    const message = 'expected a map of sections at the top, such as "providers:"';
    throw located([...document.problems, { path: [], message }], document.origins, label);
  }
  applyEnvironment(root, env, document.origins, document.unreadable);
  const ownReferences = overlay.length === 0 ? [] : referencesIn(root);
  applyOverlay(root, overlay, document.origins);
  const described = findSecretUses(root, () => describeConfig(catalog), document.origins, source.secrets);
  const { config, warnings } = validate({ ...described, ownReferences }, document, catalog, label);
  const secrets = secretIssues(env);
  if (secrets.length > 0) throw new ConfigError(secrets);
  return {
    ...{ config, file: file?.path ?? null, text: file?.text ?? null, warnings },
    origins: document.origins,
    secretUses: described.uses,
    withOverlay: (other) => assembleConfig({ ...source, overlay: other }),
    withSecrets: (values) =>
      described.uses.length === 0 ? config : assembleConfig({ ...source, secrets: values }).config,
  };
}

function validate(
  { root, uses, problems: faults, ownReferences }: SecretUses & { readonly ownReferences: readonly string[] },
  document: ConfigDocument,
  catalog: ConfigCatalog,
  file: string | null,
) {
  const { origins, unreadable } = document;
  const outline = outlineOf(root);
  const references = checkReferences(outline, catalog, origins);
  const result = configSchema(catalog).safeParse(root, {
    error: (issue) => describeIssue(issue, origins),
  });
  const problems: Problem[] = [...faults];
  if (!result.success) {
    const schema = describeConfig(catalog);
    problems.push(...result.error.issues.flatMap((issue) => toProblems(issue, schema)));
  }
  problems.push(...checkConsistency(outline, catalog), ...references.problems);
  if (result.success) {
    const allowed = result.data.secrets.admin_references;
    problems.push(...forbiddenUses(uses, origins, allowed, ownReferences));
  }
  const relevant = problems.filter(({ path }) => !path.some((_, end) => isUnreadable(unreadable, path, end)));
  const all = [...document.problems, ...relevant];
  if (all.length > 0 || !result.success) throw located(all, origins, file);
  const shared = sharedTargetWarnings(result.data.models);
  const warnings = [...references.warnings, ...shared].map((warning) =>
    formatIssue(origins.locate(warning, file)),
  );
  return { config: deepFreeze(result.data), warnings };
}

function isUnreadable(unreadable: ReadonlySet<string>, path: Problem['path'], end: number): boolean {
  return unreadable.size > 0 && unreadable.has(formatPath(path.slice(0, end + 1)));
}

function located(problems: readonly Problem[], origins: Origins, file: string | null): ConfigError {
  const issues = problems.map((problem) => origins.locate(problem, file));
  return new ConfigError(
    issues.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)),
  );
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
