import type { ConfigMap } from './config-document.ts';
import { isConfigMap } from './config-document.ts';
import { alternatives, type JsonSchema } from './json-schema.ts';
import type { Origins, Problem } from './origins.ts';
import type { ConfigPath } from './path.ts';
import {
  isRemoteReference,
  isSecretReference,
  LOCAL_SCHEMES,
  parseSecretReference,
  type SecretReference,
} from './secret-reference.ts';

/** A value of the configuration that refers to a secret. */
export interface SecretUse {
  readonly path: ConfigPath;
  readonly reference: SecretReference;
}

export interface SecretUses {
  /** The values, with those references replaced whose secrets are given. */
  readonly root: ConfigMap;
  readonly uses: readonly SecretUse[];
  readonly problems: readonly Problem[];
}

/**
 * Finds the references in a configuration, and replaces those whose secrets are given. References are taken only where the
 * schema expects a secret: elsewhere, a value may be shown, logged or used as a label.
 * @param schema of the values, loaded when there is a reference
 * @param secrets by the text of the reference
 */
export function findSecretUses(
  root: ConfigMap,
  schema: () => JsonSchema,
  origins: Origins,
  secrets: ReadonlyMap<string, string> | undefined,
): SecretUses {
  if (referencesIn(root).length === 0) return { root, uses: [], problems: [] };
  const uses: SecretUse[] = [];
  const problems: Problem[] = [];

  const textAt = (value: string, options: readonly JsonSchema[], path: ConfigPath): string => {
    if (!isSecretReference(value) || isPrefixList(path)) return value;
    if (!options.some((option) => option['x-secret'] === true)) {
      // A file URL may be meant, such as the module of a plugin.
      if (isRemoteReference(value)) {
        problems.push({ path, message: 'takes no secret reference: it is not a secret' });
      }
      return value;
    }
    const parsed = parseSecretReference(value);
    if ('fault' in parsed) {
      problems.push({ path, message: `the secret reference ${parsed.fault}` });
      return value;
    }
    if (path[0] === 'secrets' && !LOCAL_SCHEMES.has(parsed.scheme)) {
      problems.push({ path, message: 'a credential for a secret store is given as file:// or env://' });
      return value;
    }
    uses.push({ path, reference: parsed });
    const secret = secrets?.get(value);
    if (secret === undefined) return value;
    const origin = origins.get(path);
    // Messages show the reference, as they show the name of a variable.
    if (origin?.kind === 'file') origins.set(path, { ...origin, template: value });
    return secret;
  };

  const visit = (value: unknown, options: readonly JsonSchema[], path: ConfigPath): unknown => {
    if (typeof value === 'string') return textAt(value, options, path);
    if (Array.isArray(value)) {
      const items = options.flatMap((option) => childOf(option, 0));
      return value.map((item, index) => visit(item, items, [...path, index]));
    }
    if (!isConfigMap(value)) return value;
    const copy: ConfigMap = Object.create(null);
    for (const [name, item] of Object.entries(value)) {
      copy[name] = visit(
        item,
        options.flatMap((option) => childOf(option, name)),
        [...path, name],
      );
    }
    return copy;
  };
  const copied: ConfigMap = Object.create(null);
  const described = alternatives(schema());
  for (const [name, item] of Object.entries(root)) {
    copied[name] = visit(
      item,
      described.flatMap((option) => childOf(option, name)),
      [name],
    );
  }
  return { root: copied, uses, problems };
}

/** Whether the values of a key are beginnings of references, not references. */
function isPrefixList(path: ConfigPath): boolean {
  return path[0] === 'secrets' && path[1] === 'admin_references';
}

/** @returns the texts of the references in some values, wherever they are */
export function referencesIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return isSecretReference(value) ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(referencesIn);
}

/**
 * The references of the admin API that are not allowed.
 * @param allowed what they may begin with
 * @param ownReferences those of the file, which a changed item of the file keeps
 */
export function forbiddenUses(
  uses: readonly SecretUse[],
  origins: Origins,
  allowed: readonly string[],
  ownReferences: readonly string[],
): readonly Problem[] {
  return uses.flatMap(({ path, reference }) => {
    if (origins.sourceOf(path)?.kind !== 'overlay') return [];
    if (allowed.some((prefix) => reference.text.startsWith(prefix))) return [];
    if (ownReferences.includes(reference.text)) return [];
    const message = 'the secret reference is not allowed here: see "secrets.admin_references"';
    return [{ path, message }];
  });
}

/** The schemas of a member or item. What contains secrets of any form, such as the settings of a plugin, hands that on. */
function childOf(schema: JsonSchema, part: string | number): readonly JsonSchema[] {
  if (schema['x-secret'] === true) return [schema];
  const named = typeof part === 'string' ? schema.properties?.[part] : schema.items;
  if (named) return withSecret(named);
  const free = schema.additionalProperties;
  return typeof part === 'string' && typeof free === 'object' ? withSecret(free) : [];
}

/** The branches of a schema, which take over what is said of all of them. */
function withSecret(schema: JsonSchema): readonly JsonSchema[] {
  const secret = schema['x-secret'];
  return alternatives(schema).map((option) => (secret ? { ...option, 'x-secret': secret } : option));
}
