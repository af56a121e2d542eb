import type { ConfigCatalog } from './catalog.ts';
import {
  CONFIG_VARIABLE,
  CONFIG_VARIABLES,
  DATA_DIR_VARIABLE,
  TENANT_LIMIT_VARIABLES,
} from './environment.ts';
import { DEFAULT_CONFIG_FILE } from './file.ts';
import { alternatives, describeConfig, type JsonSchema } from './json-schema.ts';
import { RESTART_KEYS } from './restart.ts';
import { DEFAULT_DATA_DIR } from './schema.ts';

/** A map of the configuration that has a table of its own. */
interface Table {
  /** `providers[]`; '' is the root. */
  readonly path: string;
  readonly description: string;
  readonly keys: readonly {
    readonly name: string;
    readonly schema: JsonSchema;
    readonly required: boolean;
  }[];
}

/** The reference page of the configuration, in Markdown. */
export function configDocumentation(catalog: ConfigCatalog): string {
  const tables = tablesOf(describeConfig(catalog), '', '');
  return [
    '<!-- Generated from src/config by `npm run docs`. Change the schema, not this page. -->',
    '# Configuration',
    introduction(),
    '## Example',
    ['```yaml', exampleConfig(catalog).trimEnd(), '```'].join('\n'),
    '## Environment variables',
    environmentTable(),
    '## Variables in the file',
    interpolationRules(),
    '## Keys',
    keyRules(),
    ...tables.flatMap(renderTable),
    '## Reloading',
    reloadRules(),
  ]
    .join('\n\n')
    .concat('\n');
}

/** A configuration with an entry in every section. It loads unchanged. */
export function exampleConfig(catalog: ConfigCatalog): string {
  const kind = catalog.genericKinds[0] ?? catalog.kinds[0] ?? '';
  const engine = catalog.engines[0];
  const target = (id: string): string =>
    [
      `  - id: ${id}`,
      `    kind: ${kind}`,
      ...(engine === undefined ? [] : [`    engine: ${engine}`]),
      `    base_url: http://${id}:8000/v1`,
      `    api_key: \${${id.toUpperCase()}_API_KEY:-}`,
    ].join('\n');
  return `server:
  port: 8080
  cors: { origins: [https://app.example.com] }
storage:
  database_url: sqlite:./data
log:
  level: info
providers:
${target('chat0')}
${target('chat1')}
models:
  - id: small
    targets:
      - { provider: chat0, model: example/small-instruct }
  - id: large
    aliases: [chat]
    strategy: weighted
    targets:
      - { provider: chat0, model: example/large-instruct, weight: 3 }
      - { provider: chat1, model: example/large-instruct, weight: 1 }
    fallbacks: [small]
default_model: chat
limits:
  per_ip: { rps: 50, burst: 100, inflight: 120 }
  queue_timeout: 2s
`;
}

function introduction(): string {
  return [
    `Weir reads one YAML file: the one that \`${CONFIG_VARIABLE}\` names, else \`./${DEFAULT_CONFIG_FILE}\` if there is one. Without a file every key has its default, and the providers come from the environment. A few environment variables override the file.`,
    '',
    'All errors are reported at once, each with file, line and key, and a suggestion for a misspelled word. Unknown keys are errors. Values of variables, API keys and headers are never printed.',
  ].join('\n');
}

function environmentTable(): string {
  return [
    '| Variable | Key | |',
    '|---|---|---|',
    `| \`${CONFIG_VARIABLE}\` | | The file to read. The file must exist. |`,
    `| \`${DATA_DIR_VARIABLE}\` | \`storage.data_dir\`, \`storage.database_url\` | The directory of local data, and of the default database, \`sqlite:<directory>\`. Default \`${DEFAULT_DATA_DIR}\`. A database URL from the file or the environment takes precedence. |`,
    ...CONFIG_VARIABLES.map(
      ({ name, path, note }) => `| \`${name}\` | \`${path.join('.')}\` | ${note ?? ''} |`,
    ),
    ...TENANT_LIMIT_VARIABLES.map(
      ({ name, of, per }) =>
        `| \`${name}\` | \`limits.per_tenant\` | The limit \`{ of: ${of}, per: ${per}, max: ... }\`. |`,
    ),
    '| `WEIR_ADMIN_KEY` | | An admin key, valid in addition to the stored ones. With it, the first start creates none. |',
    '| `WEIR_SECRET` | | The secret that digests keys, signs tokens and encrypts stored secrets. By default one is generated and stored in the control database. Gateways that share a database need the same one. `docs/secrets.md` shows how to change it. |',
    '| `WEIR_WEBHOOKS_ALLOW_PRIVATE` | | `1` allows webhooks to addresses that are not public, for receivers within one’s own network. |',
    '| `WEIR_DETECT_ENGINES` | | `0` does not look for engines on this machine. Without a configuration file, Weir looks for them at the start. |',
    '',
    'An empty variable counts as not set.',
  ].join('\n');
}

function interpolationRules(): string {
  return [
    'Any value may contain variables. They are substituted after the YAML is parsed, so their content is always text and never syntax.',
    '',
    '| In the file | Becomes |',
    '|---|---|',
    `| ${code('{NAME}')} | The variable, which must be set. |`,
    `| ${code('{NAME:-default}')} | The variable, or the default if it is not set or empty. |`,
    '| `$${` | A literal `${`. |',
    '',
    'Numbers and booleans may be written as text. Empty text counts as null where null is allowed. ' +
      `Between \`[ ]\` or \`{ }\`, put the value in quotes: \`{ port: "\${PORT}" }\`.`,
  ].join('\n');
}

function keyRules(): string {
  return [
    '- A **duration** is a whole number with a unit: `500ms`, `2s`, `3m`, `1h`, `1d`; at most 24 days.',
    '- A **size** is a whole number of bytes, or one with a unit: `512KB` (1000 bytes each), `512KiB` (1024 bytes each), up to 2GiB.',
    '- A **secret** is the text itself, `${NAME}`, or a [reference](secrets.md) to where it is kept, such as `vault://secret/weir#openai`.',
    '- A section or list that is null or absent takes its defaults.',
    '- The file is YAML 1.2, up to 1 MiB, one document. Merge keys (`<<`) and tags are not supported. A number with a leading zero is an error, because YAML readers disagree about its value.',
  ].join('\n');
}

function reloadRules(): string {
  return [
    'Weir reloads the file when it changes, and on `SIGHUP`. An invalid file is rejected, and the active configuration stays. These keys take effect only after a restart:',
    '',
    ...RESTART_KEYS.map((key) => `- \`${key}\``),
  ].join('\n');
}

function tablesOf(schema: JsonSchema, path: string, description: string): Table[] {
  const required = new Set(schema.required);
  const keys = Object.entries(schema.properties ?? {}).map(([name, value]) => ({
    name,
    schema: value,
    required: required.has(name),
  }));
  const inner = keys.flatMap((key) => {
    const keyPath = path === '' ? key.name : `${path}.${key.name}`;
    return alternatives(key.schema).flatMap((option) => {
      const about = key.schema.description ?? '';
      if (option.properties !== undefined) return tablesOf(option, keyPath, about);
      return option.items?.properties === undefined ? [] : tablesOf(option.items, `${keyPath}[]`, about);
    });
  });
  return [{ path, description, keys }, ...inner];
}

function renderTable({ path, description, keys }: Table): string[] {
  const rows = keys.map(({ name, schema, required }) => {
    const fallback = required ? 'required' : defaultOf(schema);
    return `| \`${name}\` | ${typeOf(schema)} | ${fallback} | ${cell(schema.description ?? '')} |`;
  });
  const table = ['| Key | Type | Default | |', '|---|---|---|---|', ...rows].join('\n');
  if (path === '') return [table];
  return [`### \`${path}\``, ...(description === '' ? [] : [description]), table];
}

function defaultOf(schema: JsonSchema): string {
  const value = schema.default;
  if (value === undefined || isSection(schema)) return '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function isSection(schema: JsonSchema): boolean {
  return schema.properties !== undefined;
}

function typeOf(schema: JsonSchema): string {
  const words = alternatives(schema).flatMap((option) => {
    if (schema['x-type'] !== undefined) return [schema['x-type']];
    if (option['x-secret'] === true && option.type === 'string') return ['secret'];
    const types = typeof option.type === 'string' ? [option.type] : (option.type ?? []);
    return types.map((type) => typeName(type, option));
  });
  return [...new Set(words)].join(' or ');
}

function typeName(type: string, schema: JsonSchema): string {
  switch (type) {
    case 'string':
      return schema.enum?.map((value) => `\`${value}\``).join(', ') ?? schema['x-type'] ?? 'text';
    case 'integer':
      return `whole number${rangeOf(schema)}`;
    case 'number':
      return `number${rangeOf(schema)}`;
    case 'boolean':
      return '`true` or `false`';
    case 'array':
      return `list of ${schema.items?.properties === undefined ? typeOf(schema.items ?? {}) : 'maps'}`;
    case 'object':
      return schema.properties === undefined ? mapType(schema) : 'map';
    default:
      return type;
  }
}

/** The type of a map with free keys. */
function mapType({ additionalProperties }: JsonSchema): string {
  if (typeof additionalProperties !== 'object') return 'map';
  return additionalProperties.type === 'array' ? 'map of lists' : `map of ${typeOf(additionalProperties)}`;
}

function rangeOf({ minimum, maximum, exclusiveMinimum }: JsonSchema): string {
  const bounded = maximum !== undefined && maximum !== Number.MAX_SAFE_INTEGER;
  if (minimum !== undefined && bounded) return `, ${minimum} to ${maximum}`;
  if (minimum !== undefined) return `, ${minimum} or more`;
  if (exclusiveMinimum === undefined) return '';
  return `, more than ${exclusiveMinimum}${bounded ? `, up to ${maximum}` : ''}`;
}

/** A reference to a variable, as code. */
function code(reference: string): string {
  return `\`$${reference}\``;
}

/** Text that cannot end a cell. */
function cell(content: string): string {
  return content.replaceAll('|', '\\|');
}
