/** The schemes of secret references: `docs/secrets.md` describes each. */
export const SECRET_SCHEMES = ['vault', 'aws-sm', 'gcp-sm', 'azure-kv', 'k8s', 'file', 'env'] as const;
export type SecretScheme = (typeof SECRET_SCHEMES)[number];

/** Schemes that read this machine, not a secret store. They work while no store is known. */
export const LOCAL_SCHEMES: ReadonlySet<SecretScheme> = new Set(['file', 'env']);

/** A parsed reference to a secret that is kept elsewhere. It contains no secret, so that it may be shown. */
export interface SecretReference {
  /** As written. */
  readonly text: string;
  readonly scheme: SecretScheme;
  /** Its parts between slashes, decoded; for `file` and `env` one part, the path or the name. */
  readonly parts: readonly string[];
  /** After `?`, such as `version`. */
  readonly options: Readonly<Record<string, string>>;
  /** The member of the secret after `#`; undefined for all of it. */
  readonly key: string | undefined;
  /** The reference without its key: references with the same one are read together. */
  readonly document: string;
}

const MAX_LENGTH = 2_048;
const FORM = /^(vault|aws-sm|gcp-sm|azure-kv|k8s|file|env):\/\/([^?#]*)(?:\?([^#]*))?(?:#([\s\S]*))?$/;
const PRINTABLE = /^[\x21-\x7e]+$/;

/** The form of each scheme, for messages, and the options that it takes. */
const RULES: Readonly<Record<SecretScheme, { readonly form: string; readonly options: readonly string[] }>> =
  {
    vault: { form: 'vault://mount/path#key', options: ['version'] },
    'aws-sm': { form: 'aws-sm://name#key', options: ['region', 'stage', 'version'] },
    'gcp-sm': { form: 'gcp-sm://project/secret/version#key', options: [] },
    'azure-kv': { form: 'azure-kv://vault/secret/version#key', options: [] },
    k8s: { form: 'k8s://namespace/secret#key', options: [] },
    file: { form: 'file:///absolute/path#key', options: [] },
    env: { form: 'env://NAME#key', options: [] },
  };

/** @returns whether a text has the scheme of a reference; it may still be malformed */
export function isSecretReference(text: string): boolean {
  return /^(?:vault|aws-sm|gcp-sm|azure-kv|k8s|file|env):\/\//.test(text);
}

/** @returns whether its scheme stands for nothing but secrets: `file:` and `env:` URLs exist elsewhere too */
export function isRemoteReference(text: string): boolean {
  return isSecretReference(text) && !/^(?:file|env):/.test(text);
}

/**
 * Parses a reference.
 * @returns the reference, or what is wrong with it
 */
export function parseSecretReference(text: string): SecretReference | { readonly fault: string } {
  const match = FORM.exec(text);
  const scheme = SECRET_SCHEMES.find((name) => name === match?.[1]);
  if (!match || scheme === undefined) return { fault: 'is no secret reference' };
  const { form, options: allowed } = RULES[scheme];
  const expected = `expected ${form}`;
  if (text.length > MAX_LENGTH) return { fault: `is longer than ${MAX_LENGTH} characters` };
  if (!PRINTABLE.test(text)) {
    return { fault: `has spaces or characters beyond ASCII: write them as %XX; ${expected}` };
  }
  const [, , path = '', query, fragment] = match;
  const options: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(query ?? '')) {
    if (!allowed.includes(name) || value === '') {
      const known = allowed.length === 0 ? 'takes no options' : `takes the options ${allowed.join(', ')}`;
      return { fault: `has the unknown or empty option "${name}": ${scheme}:// ${known}` };
    }
    options[name] = value;
  }
  const key = fragment === undefined ? undefined : decoded(fragment);
  if (key === '' || (fragment !== undefined && key === undefined)) {
    return { fault: `has an empty or malformed key after "#"; ${expected}` };
  }
  const whole = scheme === 'file' || scheme === 'env' || scheme === 'aws-sm';
  const parts = (whole ? [path] : path.split('/')).map(decoded);
  if (parts.some((part) => part === undefined || part === '' || part === '.' || part === '..')) {
    return { fault: `has an empty or malformed path; ${expected}` };
  }
  const known = parts.filter((part) => part !== undefined);
  const fault = pathFault(scheme, known, key);
  if (fault !== undefined) return { fault: `${fault}; ${expected}` };
  const document = fragment === undefined ? text : text.slice(0, text.length - fragment.length - 1);
  return { text, scheme, parts: known, options, key, document };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    // A "%" that begins no escape.
    return undefined;
  }
}

const NAME = /^[\w.-]{1,255}$/;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

function pathFault(
  scheme: SecretScheme,
  parts: readonly string[],
  key: string | undefined,
): string | undefined {
  const [first = ''] = parts;
  switch (scheme) {
    case 'vault':
      return parts.length < 2 ? 'needs a mount and a path' : undefined;
    case 'aws-sm':
      return /^[\w/+=.@:!-]{1,2048}$/.test(first) ? undefined : 'needs the name or ARN of a secret';
    case 'gcp-sm':
      return gcpFault(parts);
    case 'azure-kv':
      if (parts.length !== 2 && parts.length !== 3) return 'needs a vault and a secret';
      return parts.every((part) => /^[A-Za-z0-9.-]{1,253}$/.test(part)) ? undefined : 'has an invalid name';
    case 'k8s':
      if (parts.length > 2) return 'needs a namespace and a secret';
      if (key === undefined) return 'needs a key after "#"';
      return parts.every((part) => NAME.test(part)) ? undefined : 'has an invalid name';
    case 'file':
      return first.startsWith('/') && !/\p{Cc}/u.test(first) ? undefined : 'needs an absolute path';
    case 'env':
      return VARIABLE.test(first) ? undefined : 'needs the name of an environment variable';
  }
}

/** The short form, or the resource name that the console of the store shows. */
const GCP_NAME = /^projects\/[^/]+(?:\/locations\/[^/]+)?\/secrets\/[^/]+(?:\/versions\/[^/]+)?$/;

function gcpFault(parts: readonly string[]): string | undefined {
  const isShort = (parts.length === 2 || parts.length === 3) && parts[0] !== 'projects';
  if (!isShort && !GCP_NAME.test(parts.join('/'))) return 'needs a project and a secret';
  return parts.every((part) => /^[\w:.-]{1,255}$/.test(part)) ? undefined : 'has an invalid name';
}
