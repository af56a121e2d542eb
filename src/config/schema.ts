import { z } from 'zod';
import type { ProviderCatalog } from './catalog.ts';
import { engines } from './engine-schema.ts';
import {
  baseUrl,
  boolean,
  duration,
  headers,
  host,
  integer,
  LONGEST_REFERENCE,
  list,
  listOfMany,
  modelName,
  nullable,
  origin,
  positiveNumber,
  providerId,
  secret,
  section,
  size,
  text,
} from './fields.ts';
import { model } from './model-schema.ts';
import { prices } from './price-schema.ts';
import { routing } from './routing-schema.ts';
import { auth, storage } from './storage-schema.ts';
import { tiers } from './tier-schema.ts';

export { STRATEGIES } from './model-schema.ts';
export { DEFAULT_DATA_DIR } from './storage-schema.ts';

export const DEFAULT_PORT = 8080;
export const DEFAULT_METRICS_PORT = 9090;
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export const LOG_FORMATS = ['auto', 'json', 'text'] as const;

const port = () => integer(0, 65_535);

/**
 * The shape of the configuration: every key, its type, its default and what it is for. Rules between keys are in
 * consistency.ts and references.ts.
 */
export function createConfigSchema(catalog: ProviderCatalog) {
  return z.strictObject({
    server: server().describe('The HTTP servers.'),
    storage: storage().describe('Where state is kept.'),
    log: log().describe('The log, written to standard output.'),
    providers: nullable(z.array(z.lazy(() => provider(catalog)))).describe(
      'The upstream accounts and engines. Without this key they come from the environment; an empty list means none but the built-in ones.',
    ),
    engines: engines(catalog).describe(
      'Self-hosted engines that Weir itself starts when their models are asked for, and stops again.',
    ),
    models: listOfMany(model).describe('The names that clients send, and what stands behind each.'),
    default_model: nullable(modelName(LONGEST_REFERENCE)).describe(
      'The model of requests to `/inference` and `/stream` that name none: a model id, an alias, or `provider-id/upstream-model`.',
    ),
    prices: prices().describe(
      'Prices in place of list prices, by model, tenant and date; the first that fits holds.',
    ),
    media: media().describe(
      'Images and files that clients name by URL, where a provider wants them in the request itself.',
    ),
    routing: routing().describe('How failures are dealt with.'),
    limits: limits().describe('What one client may use, and how long things may take.'),
    auth: auth().describe('Signing in to the console, and tokens.'),
  });
}

const server = () =>
  section({
    host: host().prefault('0.0.0.0').describe('The address to listen on.'),
    port: port().prefault(DEFAULT_PORT).describe('The port of the API. 0 takes any free port.'),
    metrics_port: z
      .preprocess((value) => (value === '' ? null : value), port().nullable())
      .prefault(DEFAULT_METRICS_PORT)
      .describe('The port of `/metrics`. 0 takes any free port; null switches it off.'),
    trusted_proxies: list(text(50)).describe(
      'Addresses and networks of proxies in front of the gateway, whose `x-forwarded-for` tells where a request comes from.',
    ),
    body_limit: size().prefault('20MB').describe('The largest request body.'),
    drain_timeout: duration(0)
      .prefault('30s')
      .describe('How long requests in flight may go on after the server was told to stop.'),
    cors: section({
      origins: list(origin()).describe(
        'The browser origins that may call the API: exact ones such as `https://app.example.com`, or `"*"` for any.',
      ),
      allow_credentials: boolean()
        .prefault(false)
        .describe('Whether browsers may send cookies and HTTP authentication. Not with the origin `"*"`.'),
      max_age: duration(0).prefault('10m').describe('How long browsers may remember a preflight answer.'),
    }).describe('Which web pages may call the API from a browser. No origins: none may.'),
    docs: boolean().prefault(true).describe('Whether to serve `/docs` and `/openapi.json`.'),
  });

const log = () =>
  section({
    level: z.enum(LOG_LEVELS).prefault('info').describe('The least important lines that are written.'),
    format: z
      .enum(LOG_FORMATS)
      .prefault('auto')
      .describe(
        '`json` for machines, `text` for people; `auto` is `text` on a terminal and `json` elsewhere.',
      ),
    requests: boolean().prefault(true).describe('Whether to write one line for each inference request.'),
  });

const provider = (catalog: ProviderCatalog) =>
  z.strictObject({
    id: providerId().describe('What targets and clients name this provider by.'),
    kind: z.enum(catalog.kinds).describe('Which service or dialect it is.'),
    vendor: nullable(z.enum(catalog.vendors)).describe(
      `The hosted service, for its address and peculiarities. Only with kind ${orList(catalog.genericKinds)}; not with \`engine\`.`,
    ),
    engine: nullable(z.enum(catalog.engines)).describe(
      `The self-hosted server, for its address and peculiarities. Only with kind ${orList(catalog.genericKinds)}; not with \`vendor\`.`,
    ),
    base_url: nullable(baseUrl()).describe(
      `Where its API is, such as \`http://host:8000/v1\`. Needed with kind ${orList(catalog.genericKinds)} unless \`vendor\` or \`engine\` implies one.`,
    ),
    api_key: nullable(secret()).describe(`Its API key; best written as \`\${NAME}\`.`),
    more_api_keys: list(secret()).describe(
      'More keys for it, of other accounts: each is limited, rests and fails on its own, and requests are shared among all.',
    ),
    ...providerSettings(catalog),
    headers: headers().describe('HTTP headers to add to each request to it.'),
    models: list(text(300)).describe('Upstream models to offer without asking the provider.'),
    discover: boolean().prefault(true).describe('Whether to ask the provider for its models.'),
    connect_timeout: duration(1).prefault('10s').describe('How long connecting may take.'),
  });

/** Keys that only some kinds have; which, the catalog says. */
const providerSettings = (catalog: ProviderCatalog) => {
  const only = (key: string, description: string): string => {
    const kinds = catalog.settings[key] ?? [];
    return `${description} Only with kind ${orList(kinds)}.`;
  };
  return {
    api: nullable(z.enum(['chat', 'responses', 'native'])).describe(
      only(
        'api',
        "Which of OpenAI's two APIs it has: `chat`, or `responses`, which then also serves requests in other formats. By default chat, and both at vendors that are known to have both. With engine `ollama` also `native`: its own API, which takes `options` such as `num_ctx`, `think` and `keep_alive`.",
      ),
    ),
    api_version: nullable(text(100)).describe(
      only('api_version', 'The version of the API, such as `v1` or a date.'),
    ),
    region: nullable(text(100)).describe(
      only('region', 'The region or location to call, such as `us-east-1`.'),
    ),
    project: nullable(text(200)).describe(only('project', 'The cloud project that requests are billed to.')),
    service_account: nullable(secret()).describe(
      only('service_account', 'A service account key: the path of its JSON file, or the JSON itself.'),
    ),
    tenant_id: nullable(text(200)).describe(
      only('tenant_id', 'The directory to sign in to, instead of an `api_key`.'),
    ),
    client_id: nullable(text(200)).describe(only('client_id', 'The application to sign in as.')),
    client_secret: nullable(secret()).describe(only('client_secret', "The application's secret.")),
    access_key_id: nullable(text(200)).describe(
      only(
        'access_key_id',
        'Credentials; without them, the usual places are looked at: environment, profile, role.',
      ),
    ),
    secret_access_key: nullable(secret()).describe(only('secret_access_key', 'Goes with `access_key_id`.')),
    session_token: nullable(secret()).describe(only('session_token', 'For temporary credentials.')),
  };
};

const media = () =>
  section({
    max_size: size().prefault('20MB').describe('How large one file may be.'),
    timeout: duration(1).prefault('15s').describe('How long one file may take to arrive.'),
    allowed_hosts: list(text(300)).describe(
      'Hosts (`name` or `name:port`) that may be fetched from although their addresses are not public.',
    ),
  });

const limits = () =>
  section({
    per_ip: nullable(
      z
        .strictObject({
          rps: positiveNumber().describe('Requests per second.'),
          burst: nullable(integer(1)).describe(
            'Requests that may come at once before the rate counts. By default `rps`, rounded up.',
          ),
          inflight: nullable(integer(1)).describe('Requests at the same time; null for any number.'),
        })
        .transform((value) => ({ ...value, burst: value.burst ?? Math.ceil(value.rps) })),
    ).describe('What one client address may use; null for no limit.'),
    tiers: tiers().describe(
      'What tenants of each tier may use: lists of limits by name. `free`, `basic`, `pro` and `enterprise` are there anyway (10, 100, 1,000 and 10,000 requests a minute; 1,000, 100,000, 1,000,000 and any number a month); one that is named here takes its place.',
    ),
    default_tier: nullable(text(31))
      .prefault('free')
      .describe('The tier of new tenants that are given none; null for no limits.'),
    queue_timeout: duration(0).prefault('2s').describe('How long a request may wait to be let in.'),
    max_request: duration(1).prefault('90m').describe('How long one request may take in all.'),
    first_token: duration(1)
      .prefault('5m')
      .describe('How long a target may take until the first event or byte of its answer.'),
    answer: nullable(duration(1)).describe(
      'How long a target may take for an answer that is not streamed, before another is tried; null for `max_request`.',
    ),
    stream_idle: duration(1).prefault('3m').describe('How long a stream may stay silent between two events.'),
  });

function orList(words: readonly string[]): string {
  return words.map((word) => `\`${word}\``).join(' or ');
}

type Immutable<T> = T extends readonly (infer Item)[]
  ? readonly Immutable<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Immutable<T[Key]> }
    : T;

/** The whole configuration, with every default filled in. Durations are milliseconds, sizes bytes. */
export type Config = Immutable<z.output<ReturnType<typeof createConfigSchema>>>;
export type ProviderConfig = NonNullable<Config['providers']>[number];
export type EngineConfig = Config['engines']['commands'][number];
export type ModelConfig = Config['models'][number];
export type TargetConfig = ModelConfig['targets'][number];
export type Strategy = ModelConfig['strategy'];
