/** The text of `.env.example`: every variable that the compose files, the gateway and the providers read. */
import type { ConfigCatalog } from '../src/config/catalog.ts';
import { CONFIG_VARIABLES, TENANT_LIMIT_VARIABLES } from '../src/config/environment.ts';
import { alternatives, describeConfig, type JsonSchema } from '../src/config/json-schema.ts';

interface Entry {
  readonly name: string;
  /** Of the file as it is written; the line is commented out when absent. */
  readonly value?: string;
  readonly example?: string;
  readonly about: string;
}

const SECRETS: readonly Entry[] = [
  {
    name: 'WEIR_ADMIN_KEY',
    value: '',
    about: 'May call everything. At least 16 characters. `scripts/setup.sh` writes a random one.',
  },
  {
    name: 'WEIR_SECRET',
    value: '',
    about:
      'Digests keys, signs tokens and encrypts stored secrets. All gateways need the same one, and a backup cannot be restored without it.',
  },
  {
    name: 'POSTGRES_PASSWORD',
    value: '',
    about: 'Of the user `weir` of PostgreSQL. Letters and digits only, because it is part of a URL.',
  },
  { name: 'REDIS_PASSWORD', value: '', about: 'Of Redis. Letters and digits only.' },
];

const COMPOSE: readonly Entry[] = [
  {
    name: 'WEIR_IMAGE',
    example: 'registry.example.com/weir:1.0.0',
    about: 'The image. Without it, it is built from the checkout.',
  },
  { name: 'WEIR_REPLICAS', example: '2', about: 'How many gateways run behind nginx.' },
  { name: 'WEIR_CPUS', example: '2', about: 'Processors of each gateway.' },
  { name: 'WEIR_MEMORY', example: '2g', about: 'Memory of each gateway.' },
  { name: 'WEIR_CONFIG_FILE', example: './weir.yaml', about: 'The configuration file on this machine.' },
  { name: 'HTTP_PORT', example: '80', about: 'The port of plain HTTP, which redirects to https.' },
  { name: 'HTTPS_PORT', example: '443', about: 'The port of TLS.' },
  {
    name: 'WEIR_BACKUP_LOCATION',
    example: 's3://my-backups/weir',
    about:
      'Where `docker compose --profile backup up -d` stores backups; by default a volume of this machine.',
  },
  {
    name: 'WEIR_BACKUP_PASSPHRASE',
    about: 'Encrypts these backups. At least 12 characters; a lost one cannot be replaced.',
  },
  { name: 'REDIS_MEMORY', example: '512mb', about: 'Memory of Redis.' },
  { name: 'HF_TOKEN', about: 'Token for models of Hugging Face that need one (docker-compose.gpu.yml).' },
  {
    name: 'HF_CACHE',
    example: './hf-cache',
    about: 'Folder for downloaded models (docker-compose.gpu.yml).',
  },
  {
    name: 'VLLM_IMAGE',
    example: 'vllm/vllm-openai:v0.11.0',
    about: 'The image of engines (docker-compose.gpu.yml).',
  },
  {
    name: 'WEIR_SLO',
    example: '99.9',
    about: 'The objective of availability, 99.9 or 99.99 (docker-compose.monitoring.yml).',
  },
];

const PROVIDERS: readonly Entry[] = [
  {
    name: 'OPENAI_API_KEY',
    about: 'OpenAI. `OPENAI_BASE_URL` names another address, and so for each provider below.',
  },
  { name: 'ANTHROPIC_API_KEY', about: 'Anthropic.' },
  { name: 'AZURE_API_KEY', about: 'Azure OpenAI, with `AZURE_ENDPOINT`.' },
  {
    name: 'AZURE_ENDPOINT',
    example: 'https://example.openai.azure.com',
    about: 'The resource of Azure OpenAI.',
  },
  { name: 'GOOGLE_API_KEY', about: 'Gemini.' },
  { name: 'MISTRAL_API_KEY', about: 'Mistral.' },
  { name: 'COHERE_API_KEY', about: 'Cohere.' },
  {
    name: 'AWS_REGION',
    example: 'eu-central-1',
    about: 'Bedrock, with the usual variables of AWS for credentials.',
  },
];

const GATEWAY: readonly Entry[] = [
  {
    name: 'WEIR_CONFIG',
    example: '/etc/weir/weir.yaml',
    about: 'The configuration file, as the gateway sees it.',
  },
  { name: 'WEIR_DATA_DIR', example: '/var/lib/weir', about: 'The folder of local data.' },
  { name: 'WEIR_DETECT_ENGINES', example: '0', about: '`0` does not look for engines on this machine.' },
];

/** The schema of a key, or undefined for a key that does not exist. */
function schemaAt(schema: JsonSchema, path: readonly string[]): JsonSchema | undefined {
  return path.reduce<JsonSchema | undefined>(
    (current, key) => current && alternatives(current).flatMap((option) => option.properties?.[key] ?? [])[0],
    schema,
  );
}

function configEntries(catalog: ConfigCatalog): Entry[] {
  const schema = describeConfig(catalog);
  return CONFIG_VARIABLES.map(({ name, path, note }) => {
    const key = schemaAt(schema, path);
    if (key === undefined) throw new Error(`${name} sets ${path.join('.')}, which is no key`);
    const { description = '', default: fallback } = key;
    const example =
      typeof fallback === 'string' || typeof fallback === 'number' ? String(fallback) : undefined;
    return {
      name,
      about: `\`${path.join('.')}\`: ${[description, note].filter(Boolean).join(' ')}`,
      ...(example !== undefined && note === undefined && { example }),
    };
  });
}

const QUOTAS: readonly Entry[] = TENANT_LIMIT_VARIABLES.map(({ name, of, per }) => ({
  name,
  example: of === 'requests' ? '100000' : '10000000',
  about: `\`limits.per_tenant\`: ${of} of each tenant in a ${per}. The file takes precedence.`,
}));

/** Lines of a comment of at most 110 characters. */
function comment(text: string): string[] {
  const lines = [''];
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1) ?? '';
    if (line.length + word.length > 107) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.map((line) => `# ${line}`);
}

const section = (title: string, entries: readonly Entry[]): string[] => [
  '',
  `# --- ${title} ---`,
  ...entries.flatMap(({ name, value, example, about }) => [
    '',
    ...comment(about),
    value === undefined ? `# ${name}=${example ?? ''}` : `${name}=${value}`,
  ]),
];

/** @returns the file, in the form that Docker Compose and systemd read */
export function envExample(catalog: ConfigCatalog): string {
  return [
    '# Copy to .env, or run scripts/setup.sh, which also writes random secrets. An empty variable counts as not set.',
    '# Generated by `npm run docs`.',
    ...section('Secrets', SECRETS),
    ...section('Docker Compose', COMPOSE),
    ...section('Providers', PROVIDERS),
    ...section('Gateway', GATEWAY),
    ...section('Keys of the configuration', [...configEntries(catalog), ...QUOTAS]),
    '',
  ].join('\n');
}
