import { isDeepStrictEqual } from 'node:util';
import type { LoadedConfig } from '../config/assemble.ts';
import { ConfigError, type ConfigIssue } from '../config/errors.ts';
import { formatPath } from '../config/path.ts';
import type { Config } from '../config/schema.ts';
import type { SecretUse } from '../config/secret-paths.ts';
import { isSecretReference, parseSecretReference, type SecretReference } from '../config/secret-reference.ts';
import { secretIssues } from '../config/secret-variables.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import { secretVariables } from '../providers/registry.ts';
import { type SecretRead, SecretReader } from '../secrets/secret-reader.ts';
import { SecretStores } from '../secrets/secret-stores.ts';
import { type SecretChanges, type SecretStatus, SecretValues } from '../secrets/secret-values.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The variables, besides providers' keys, whose content may be a reference. */
const OWN_VARIABLES = ['WEIR_SECRET', 'WEIR_ADMIN_KEY'];
/** How soon a store that failed is asked again, at the latest. Milliseconds. */
const FAILED_REFRESH_MS = 30_000;
const NO_CHANGES: SecretChanges = { changed: [], failed: [], recovered: [] };

export interface ConfigSecretsOptions {
  /** As the process got it. */
  readonly env: Environment;
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random?: () => number;
  /** Called with each round of reads. */
  readonly onReads?: (reads: readonly SecretRead[]) => void;
}

/** A configuration whose secrets cannot be read. */
export class SecretsUnreadableError extends ConfigError {}

/**
 * The secrets that a configuration and the environment refer to: read at the start and for each new configuration, and read
 * again at intervals. The last known value stays in use while a store cannot be reached.
 */
export class ConfigSecrets {
  readonly #values: SecretValues;
  readonly #random: () => number;
  readonly #variables: ReadonlyMap<string, SecretReference>;
  #settings: Config['secrets'] | undefined;
  #stores: SecretStores | undefined;
  /** The configuration that is active. */
  #active: LoadedConfig | undefined;
  #refreshAt = Number.NEGATIVE_INFINITY;
  #refreshing: Promise<SecretChanges> | undefined;
  onReads: ((reads: readonly SecretRead[]) => void) | undefined;

  constructor(private readonly options: ConfigSecretsOptions) {
    this.#values = new SecretValues(options.clock);
    this.#random = options.random ?? Math.random;
    this.#variables = referencesIn(options.env);
    this.onReads = options.onReads;
  }

  /** The references of a configuration and of the environment, with the places where they are used. */
  placesOf({ secretUses }: LoadedConfig): ReadonlyMap<string, readonly string[]> {
    const places = new Map<string, string[]>();
    const add = (text: string, place: string) => places.set(text, [...(places.get(text) ?? []), place]);
    for (const { path, reference } of secretUses) add(reference.text, formatPath(path));
    for (const [name, { text }] of this.#variables) add(text, name);
    return places;
  }

  /**
   * Reads every reference of a configuration once, for a check.
   * @throws SecretsUnreadableError where a credential of a store cannot be read
   */
  async check(loaded: LoadedConfig): Promise<readonly SecretRead[]> {
    await this.#configure(loaded);
    return this.#reader().read(this.#referencesOf(loaded), this.options.clock.now());
  }

  /** The environment with secrets in place of references. */
  get env(): Environment {
    if (this.#variables.size === 0) return this.options.env;
    const values = this.#values.values();
    const read = [...this.#variables].map(([name, { text }]) => [name, values.get(text)] as const);
    return { ...this.options.env, ...Object.fromEntries(read.filter(([, value]) => value !== undefined)) };
  }

  /** The state of each reference in use. */
  status(): readonly SecretStatus[] {
    return this.#values.status();
  }

  /**
   * Reads the secrets of a configuration that are not known yet.
   * @param patience `start` waits for stores that are unreachable, for `secrets.start_timeout`
   * @returns the configuration with secrets
   * @throws SecretsUnreadableError that names each key, its reference, and what its store said; ConfigError where a secret is
   *   not valid at its place
   */
  async resolve(loaded: LoadedConfig, patience: 'start' | 'change' = 'change'): Promise<Config> {
    const uses = loaded.secretUses;
    if (uses.length === 0 && this.#variables.size === 0) return loaded.config;
    const settings = await this.#configure(loaded);
    const { clock } = this.options;
    const deadlineAt = clock.now() + (patience === 'start' ? settings.start_timeout : 0);
    const unknown = this.#referencesOf(loaded).filter((reference) => !this.#values.has(reference));
    await this.#readAll(unknown, deadlineAt, loaded);
    const config = loaded.withSecrets(this.#values.values());
    const issues = secretIssues(this.env);
    if (issues.length > 0) throw new ConfigError(issues);
    return config;
  }

  /** Says which configuration is active: the values of others are forgotten. */
  activated(loaded: LoadedConfig): void {
    this.#active = loaded;
    this.#values.keep(this.#referencesOf(loaded));
    if (this.#refreshAt === Number.NEGATIVE_INFINITY) this.#schedule(false);
  }

  /** Whether references are read again now. */
  get isDue(): boolean {
    return this.#active !== undefined && this.options.clock.now() >= this.#refreshAt;
  }

  /** Reads all references in use again. Never fails: `status` and the result say what could not be read. */
  refresh(): Promise<SecretChanges> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  close(): void {
    this.#stores?.close();
    this.#stores = undefined;
  }

  async #refresh(): Promise<SecretChanges> {
    const active = this.#active;
    const used = active ? this.#referencesOf(active) : [];
    if (!active || used.length === 0) {
      this.#schedule(false);
      return NO_CHANGES;
    }
    // A later call must not begin while this one runs.
    this.#refreshAt = Number.POSITIVE_INFINITY;
    // Where a credential cannot be read, the reads below say so.
    await this.#configure(active).catch(() => undefined);
    const reads = await this.#reader().read(used, this.options.clock.now());
    this.onReads?.(reads);
    const changes = this.#values.update(reads);
    this.#schedule(reads.some((read) => 'error' in read));
    return changes;
  }

  #schedule(failed: boolean): void {
    const every = this.#settings?.refresh ?? null;
    if (every === null) {
      this.#refreshAt = Number.POSITIVE_INFINITY;
      return;
    }
    const wait = failed ? Math.min(every, FAILED_REFRESH_MS) : every;
    // Gateways that started together do not ask together.
    this.#refreshAt = this.options.clock.now() + wait * (0.9 + 0.2 * this.#random());
  }

  #referencesOf({ secretUses }: LoadedConfig): readonly SecretReference[] {
    return [...secretUses.map(({ reference }) => reference), ...this.#variables.values()];
  }

  /** The credentials of stores come first: they are files and variables of this machine. */
  async #configure(loaded: LoadedConfig): Promise<Config['secrets']> {
    const own = loaded.secretUses.filter(({ path }) => path[0] === 'secrets');
    let { secrets: settings } = loaded.config;
    if (own.length > 0) {
      const stores = new SecretStores(settings, this.options);
      try {
        const references = own.map(({ reference }) => reference);
        const reads = await this.#readerOf(stores, settings).read(references, this.options.clock.now());
        this.#assertRead(reads, loaded, own);
        settings = loaded.withSecrets(valuesOf(reads)).secrets;
      } finally {
        stores.close();
      }
    }
    if (!this.#stores || !isDeepStrictEqual(settings, this.#settings)) {
      this.#stores?.close();
      this.#stores = new SecretStores(settings, this.options);
      this.#settings = settings;
      this.#refreshAt = Number.NEGATIVE_INFINITY;
    }
    return settings;
  }

  async #readAll(
    references: readonly SecretReference[],
    deadlineAt: number,
    loaded: LoadedConfig,
  ): Promise<void> {
    if (references.length === 0) return;
    const reads = await this.#reader().read(references, deadlineAt);
    this.onReads?.(reads);
    this.#assertRead(reads, loaded, loaded.secretUses);
    this.#values.update(reads);
  }

  #reader(): SecretReader {
    if (!this.#settings || !this.#stores) throw new Error('no configuration has been resolved');
    return this.#readerOf(this.#stores, this.#settings);
  }

  #readerOf(stores: SecretStores, { timeout }: Config['secrets']): SecretReader {
    return new SecretReader({
      storeOf: (reference) => stores.storeOf(reference),
      clock: this.options.clock,
      random: this.#random,
      // A sign-in and a question about the mount may come before the secret.
      attemptMs: 3 * timeout,
    });
  }

  /** @throws SecretsUnreadableError with an issue for each place whose secret could not be read */
  #assertRead(reads: readonly SecretRead[], loaded: LoadedConfig, uses: readonly SecretUse[]): void {
    const issues = reads.flatMap((read) => {
      if (!('error' in read)) return [];
      const { text } = read.reference;
      const message = `cannot read the secret ${JSON.stringify(text)}: ${read.error.message}`;
      const inFile = uses
        .filter(({ reference }) => reference.text === text)
        .map(({ path }) => loaded.origins.locate({ path, message }, loaded.file));
      const inVariables = [...this.#variables]
        .filter(([, reference]) => reference.text === text)
        .map(([name]) => variableIssue(name, message));
      return [...inFile, ...inVariables];
    });
    if (issues.length > 0) throw new SecretsUnreadableError(issues);
  }
}

/**
 * A configuration with its secrets, for a command.
 * @throws ConfigError where they cannot be read
 */
export async function resolvedConfig(
  loaded: LoadedConfig,
  env: Environment,
): Promise<{ readonly config: Config; readonly env: Environment }> {
  const secrets = new ConfigSecrets({ env, clock: systemClock });
  try {
    const config = await secrets.resolve(loaded);
    return { config, env: secrets.env };
  } finally {
    secrets.close();
  }
}

function valuesOf(reads: readonly SecretRead[]): ReadonlyMap<string, string> {
  return new Map(reads.flatMap((read) => ('value' in read ? [[read.reference.text, read.value]] : [])));
}

/** @throws ConfigError for a reference that is malformed */
function referencesIn(env: Environment): ReadonlyMap<string, SecretReference> {
  const found = new Map<string, SecretReference>();
  const issues: ConfigIssue[] = [];
  for (const name of [...OWN_VARIABLES, ...secretVariables()]) {
    const text = env[name];
    if (text === undefined || !isSecretReference(text)) continue;
    const parsed = parseSecretReference(text);
    if ('fault' in parsed) issues.push(variableIssue(name, `the secret reference ${parsed.fault}`));
    else found.set(name, parsed);
  }
  if (issues.length > 0) throw new ConfigError(issues);
  return found;
}

function variableIssue(name: string, message: string): ConfigIssue {
  return { file: null, variable: name, line: null, column: null, path: '', message };
}
