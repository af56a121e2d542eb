import { type ConfigMap, isConfigMap } from './config-document.ts';
import type { Environment } from './interpolate.ts';
import type { Origins } from './origins.ts';
import { formatPath } from './path.ts';

export const CONFIG_VARIABLE = 'WEIR_CONFIG';
export const DATA_DIR_VARIABLE = 'WEIR_DATA_DIR';

export interface ConfigVariable {
  readonly name: string;
  /** The key that it sets: sections, then the name in the last of them. */
  readonly path: readonly [section: string, ...keys: string[]];
  /** Converts the variable's text to the value that the file would contain; undefined for text that sets nothing. */
  readonly read: (value: string) => unknown;
  /** For the documentation. */
  readonly note?: string;
  /** True for names that other platforms use: a value of the file takes precedence. */
  readonly fileWins?: true;
}

const asIs = (value: string): unknown => value;
const lowerCase = (value: string): unknown => value.toLowerCase();
const portOrOff = (value: string): unknown => (value.toLowerCase() === 'off' ? null : value);

const seconds = (value: string): unknown => (/^\d+$/.test(value) ? `${value}s` : value);

const milliseconds = (value: string): unknown => (/^\d+$/.test(value) ? `${value}ms` : value);

/** A list of exporters: `prometheus` and `console` set nothing, because the metrics page is always there. */
function metricsExporter(value: string): unknown {
  const exporters = value
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  if (exporters.includes('otlp')) return true;
  return exporters.includes('none') ? false : undefined;
}

const RUST_LEVEL = /^(trace|debug|info|warn|error|off)$/i;

/** The first level that applies to everything, such as `info` of `info,hyper=warn`. */
function rustLevel(value: string): unknown {
  const level = value
    .split(',')
    .map((directive) => directive.trim())
    .find((directive) => RUST_LEVEL.test(directive));
  return level?.toLowerCase() === 'off' ? 'silent' : level;
}

/** The list of OpenTelemetry: names and percent-encoded values. */
function headerList(value: string): unknown {
  return Object.fromEntries(
    value.split(',').flatMap((part) => {
      const equals = part.indexOf('=');
      if (equals < 1) return [];
      const encoded = part.slice(equals + 1).trim();
      return [[part.slice(0, equals).trim(), decoded(encoded)]];
    }),
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not percent-encoded: it is meant as it is.
    return text;
  }
}

const FILE_WINS = 'A value in the file takes precedence.';

/** The variables that override the file, except for those with `fileWins`. An empty variable counts as not set. */
export const CONFIG_VARIABLES: readonly ConfigVariable[] = [
  { name: 'SERVER_HOST', path: ['server', 'host'], read: asIs },
  { name: 'SERVER_PORT', path: ['server', 'port'], read: asIs },
  {
    name: 'METRICS_PORT',
    path: ['server', 'metrics_port'],
    read: portOrOff,
    note: '`off` disables it.',
  },
  { name: 'GRPC_PORT', path: ['server', 'grpc_port'], read: portOrOff, note: '`off` disables it.' },
  {
    name: 'SERVER_WORKERS',
    path: ['server', 'workers'],
    read: lowerCase,
    note: 'A number or `auto`. `weir serve --workers` sets it.',
  },
  { name: 'SERVER_TLS_CERT', path: ['server', 'tls', 'cert'], read: asIs },
  { name: 'SERVER_TLS_KEY', path: ['server', 'tls', 'key'], read: asIs },
  { name: 'WEIR_REGION', path: ['region'], read: asIs },
  { name: 'DATABASE_URL', path: ['storage', 'database_url'], read: asIs },
  { name: 'REDIS_URL', path: ['storage', 'redis_url'], read: asIs },
  {
    name: 'RUST_LOG',
    path: ['log', 'level'],
    read: rustLevel,
    note: 'Where `LOG_LEVEL` is not set. Of `info,module=debug`, only `info` applies.',
  },
  { name: 'LOG_LEVEL', path: ['log', 'level'], read: lowerCase, note: 'Upper or lower case.' },
  { name: 'LOG_FORMAT', path: ['log', 'format'], read: lowerCase, note: 'Upper or lower case.' },
  {
    name: 'MAX_RPS_PER_IP',
    path: ['limits', 'per_ip', 'rps'],
    read: asIs,
    note: `\`off\` or \`0\` disables \`limits.per_ip\`. ${FILE_WINS}`,
    fileWins: true,
  },
  {
    name: 'RPS_BURST',
    path: ['limits', 'per_ip', 'burst'],
    read: asIs,
    note: FILE_WINS,
    fileWins: true,
  },
  {
    name: 'MAX_INFLIGHT_PER_IP',
    path: ['limits', 'per_ip', 'inflight'],
    read: asIs,
    note: FILE_WINS,
    fileWins: true,
  },
  {
    name: 'QUEUE_TIMEOUT_SECS',
    path: ['limits', 'queue_timeout'],
    read: seconds,
    note: `Seconds. ${FILE_WINS}`,
    fileWins: true,
  },
  {
    name: 'MAX_REQUEST_SECS',
    path: ['limits', 'max_request'],
    read: seconds,
    note: `Seconds. ${FILE_WINS}`,
    fileWins: true,
  },
  {
    name: 'STREAM_IDLE_TIMEOUT_SECS',
    path: ['limits', 'stream_idle'],
    read: seconds,
    note: `Seconds. ${FILE_WINS}`,
    fileWins: true,
  },
  { name: 'OTEL_EXPORTER_OTLP_ENDPOINT', path: ['tracing', 'endpoint'], read: asIs },
  { name: 'OTEL_EXPORTER_OTLP_PROTOCOL', path: ['tracing', 'protocol'], read: lowerCase },
  {
    name: 'OTEL_EXPORTER_OTLP_HEADERS',
    path: ['tracing', 'headers'],
    read: headerList,
    note: 'Such as `authorization=Bearer%20token,x-team=a`.',
  },
  {
    name: 'OTEL_METRICS_EXPORTER',
    path: ['metrics', 'otlp', 'enabled'],
    read: metricsExporter,
    note: '`otlp` sends metrics to the collector, `none` does not.',
  },
  { name: 'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT', path: ['metrics', 'otlp', 'endpoint'], read: asIs },
  { name: 'OTEL_EXPORTER_OTLP_METRICS_PROTOCOL', path: ['metrics', 'otlp', 'protocol'], read: lowerCase },
  { name: 'OTEL_EXPORTER_OTLP_METRICS_HEADERS', path: ['metrics', 'otlp', 'headers'], read: headerList },
  {
    name: 'OTEL_METRIC_EXPORT_INTERVAL',
    path: ['metrics', 'otlp', 'interval'],
    read: milliseconds,
    note: 'Milliseconds.',
  },
  { name: 'OTEL_SERVICE_NAME', path: ['tracing', 'service_name'], read: asIs },
  { name: 'OTEL_TRACES_SAMPLER', path: ['tracing', 'sampler'], read: lowerCase },
  { name: 'OTEL_TRACES_SAMPLER_ARG', path: ['tracing', 'ratio'], read: asIs },
];

/** The variable that disables limits of addresses with one of these texts. */
const PER_IP_VARIABLE = 'MAX_RPS_PER_IP';
const PER_IP_OFF = /^(?:0|off)$/i;

/** The variables of quotas for every tenant. One of the same kind and period in `limits.per_tenant` of the file takes precedence. */
export const TENANT_LIMIT_VARIABLES = [
  { name: 'ORG_DAILY_TOKEN_LIMIT', of: 'tokens', per: 'day' },
  { name: 'ORG_DAILY_REQUEST_LIMIT', of: 'requests', per: 'day' },
  { name: 'ORG_MONTHLY_TOKEN_LIMIT', of: 'tokens', per: 'month' },
] as const;

/** The value of a variable that is set and not empty. */
export function variable(env: Environment, name: string): string | undefined {
  const value = Object.hasOwn(env, name) ? env[name] : undefined;
  return value === '' ? undefined : value;
}

/** Overrides values of the file with those of the environment, in place, and records their origin. */
export function applyEnvironment(
  root: ConfigMap,
  env: Environment,
  origins: Origins,
  unreadable: Set<string>,
): void {
  const put = (path: readonly [string, ...string[]], name: string, value: unknown): void => {
    const sections = path.slice(0, -1);
    const target = sectionOf(root, sections, name, origins);
    if (target === null) return;
    target[path.at(-1) ?? ''] = value;
    origins.set(path, { kind: 'environment', variable: name });
    unreadable.delete(formatPath(path));
  };
  const isOff = PER_IP_OFF.test(variable(env, PER_IP_VARIABLE) ?? '');
  const effective = CONFIG_VARIABLES.filter(({ path, fileWins }) => !(fileWins && isGiven(root, path)));
  for (const { name, path, read } of effective) {
    const value = variable(env, name);
    const content = value === undefined ? undefined : read(value);
    if (content !== undefined) put(path, name, content);
  }
  if (isOff && effective.some(({ name }) => name === PER_IP_VARIABLE)) {
    put(['limits', 'per_ip'], PER_IP_VARIABLE, null);
  }
  putTenantLimits(root, env, put);
  const directory = variable(env, DATA_DIR_VARIABLE);
  const storage = root.storage;
  const given = isConfigMap(storage) && Object.hasOwn(storage, 'database_url');
  if (directory === undefined) return;
  put(['storage', 'data_dir'], DATA_DIR_VARIABLE, directory);
  if (!given) put(['storage', 'database_url'], DATA_DIR_VARIABLE, `sqlite:${directory}`);
}

/** Whether the file sets the key, or one of its sections to something else, such as null. */
function isGiven(file: ConfigMap, path: readonly string[]): boolean {
  let value: unknown = file;
  for (const key of path) {
    if (!isConfigMap(value)) return true;
    if (!Object.hasOwn(value, key)) return false;
    value = value[key];
  }
  return true;
}

function putTenantLimits(
  root: ConfigMap,
  env: Environment,
  put: (path: readonly [string, ...string[]], name: string, value: unknown) => void,
): void {
  const given = TENANT_LIMIT_VARIABLES.flatMap(({ name, of, per }) => {
    const value = variable(env, name);
    return value === undefined ? [] : [{ name, of, per, max: /^\d+$/.test(value) ? Number(value) : value }];
  });
  const { limits } = root;
  const list = isConfigMap(limits) && Array.isArray(limits.per_tenant) ? limits.per_tenant : [];
  const added = given.filter(
    ({ of, per }) => !list.some((one) => isConfigMap(one) && one.of === of && one.per === per),
  );
  if (added.length === 0) return;
  const own = added.map(({ of, per, max }) => ({ of, per, max }));
  put(['limits', 'per_tenant'], added.map(({ name }) => name).join(', '), [...own, ...list]);
}

/** The innermost of nested sections, created when absent; null where the file has a value of another type, which is reported elsewhere. */
function sectionOf(
  root: ConfigMap,
  sections: readonly string[],
  name: string,
  origins: Origins,
): ConfigMap | null {
  let map = root;
  for (const [depth, key] of sections.entries()) {
    const present = map[key];
    if (isConfigMap(present)) {
      map = present;
      continue;
    }
    if (present !== undefined && present !== null) return null;
    const made: ConfigMap = Object.create(null);
    map[key] = made;
    const path = sections.slice(0, depth + 1);
    origins.setDefault(path, { kind: 'environment', variable: name });
    map = made;
  }
  return map;
}
