import { z } from 'zod';
import { limitList } from '../core/limit-schema.ts';
import { perObject } from '../core/per-object.ts';
import { alerts } from './alert-schema.ts';
import { asyncRequests, batches, files } from './batch-schema.ts';
import { billing } from './billing-schema.ts';
import { cache } from './cache-schema.ts';
import type { ConfigCatalog, ProviderCatalog } from './catalog.ts';
import { providerTls, providerUpstream, tls, upstream } from './connection-schema.ts';
import { engines } from './engine-schema.ts';
import { usageExports } from './export-schema.ts';
import {
  baseUrl,
  boolean,
  duration,
  headers,
  host,
  integer,
  list,
  listOfMany,
  MAX_REFERENCE_LENGTH,
  modelName,
  nullable,
  origin,
  positiveNumber,
  providerId,
  secret,
  secretText,
  section,
  size,
  text,
} from './fields.ts';
import { guardrail } from './guardrail-schema.ts';
import { log } from './log-schema.ts';
import { mail } from './mail-schema.ts';
import { metrics } from './metrics-schema.ts';
import { model } from './model-schema.ts';
import { moderation } from './moderation-schema.ts';
import { plugin } from './plugin-schema.ts';
import { prices } from './price-schema.ts';
import { promptCaching } from './prompt-caching-schema.ts';
import { regionName, regionRouting, regions } from './region-schema.ts';
import { routing } from './routing-schema.ts';
import { secrets } from './secrets-schema.ts';
import { serverLimits } from './server-limit-schema.ts';
import { auth, storage } from './storage-schema.ts';
import { tiers } from './tier-schema.ts';
import { tracing } from './tracing-schema.ts';

export { STRATEGIES } from './model-schema.ts';
export { DEFAULT_DATA_DIR } from './storage-schema.ts';

export const DEFAULT_PORT = 8080;
export const DEFAULT_METRICS_PORT = 9090;
export const SIMULATOR_MODES = ['off', 'admin', 'all'] as const;

const port = () => integer(0, 65_535);

function createConfigSchema(catalog: ConfigCatalog) {
  return z.strictObject({
    server: server().describe('The HTTP servers.'),
    region: nullable(regionName()).describe(
      'The region of this gateway, one of `regions`. Its Redis, data folder, engines and the built-in simulator are in it. null without regions.',
    ),
    regions: regions().describe(
      'All regions of the installation, the same list in each of them. `docs/multi-region.md` shows their use.',
    ),
    region_routing: regionRouting().describe('Health checks of other regions, forwarding and failover.'),
    storage: storage().describe('Databases, Redis and local files.'),
    log: log().describe('The log, written to standard output and, if asked, to files.'),
    metrics: metrics().describe('The Prometheus metrics.'),
    tracing: tracing().describe('Traces for OpenTelemetry.'),
    providers: nullable(z.array(z.lazy(() => provider(catalog)))).describe(
      'Upstream accounts and engines. Without this key, providers come from the environment. An empty list leaves only the built-in ones.',
    ),
    environment_providers: nullable(boolean()).describe(
      'Uses the providers of the environment, too. By default only without `providers`.',
    ),
    upstream: upstream().describe(
      'Limits of connections to `http:` upstreams, such as self-hosted engines. Providers with the same limits share connections. `https:` upstreams use the connection pool of the runtime.',
    ),
    engines: engines(catalog).describe(
      'Engines on demand: self-hosted engines that Weir starts when a request needs one of their models, and stops when they are idle.',
    ),
    models: listOfMany(model).describe('Models: the names that clients send, each with its targets.'),
    simulator: nullable(z.enum(SIMULATOR_MODES)).describe(
      'Who may use the built-in simulator, which generates test responses: `all` keys, `admin` keys only, or no key (`off`). By default `all` without other providers, and `admin` with them.',
    ),
    default_model: nullable(modelName(MAX_REFERENCE_LENGTH)).describe(
      'The model of requests to `/inference` and `/stream` that name no model: a model id, an alias, or `provider-id/upstream-model`.',
    ),
    guardrails: listOfMany(() => guardrail('gateway')).describe(
      'Guardrails: what must not go to a provider, or must not come back. All of them hold, in this order.',
    ),
    moderation: moderation().describe('Classification of content at `/v1/moderations`.'),
    plugins: listOfMany(plugin).describe(
      'Plugins: interceptors, guardrails, event sinks and routing strategies from files or npm packages. `docs/plugins.md` shows how to write one.',
    ),
    prices: prices().describe(
      'Prices that override list prices, by model, tenant and date. The first rule that matches applies.',
    ),
    media: media().describe(
      'Downloads of images and files that clients give by URL, for providers that take them only inline.',
    ),
    streams: streams().describe('Event streams to clients.'),
    routing: routing().describe('Retries, health, circuit breakers and admission.'),
    interceptors: interceptors(catalog).describe(
      'Interceptors of the request path, by name. Those that are not named are off, or are configured by other keys.',
    ),
    cache: cache().describe(
      'The response cache; null for none. Without further keys, it stores responses and vectors with their defaults. `docs/caching.md` shows its use.',
    ),
    prompt_caching: promptCaching()
      .prefault({})
      .describe(
        'Prompt caches of providers: what Weir adds to requests so that repeated prompts cost less. `false` adds nothing. `docs/prompt-caching.md` shows its use.',
      ),
    limits: limits().describe('Limits of client addresses, connections and tiers, and timeouts of requests.'),
    auth: auth().describe('Console sign-in and tokens.'),
    secrets: secrets().describe(
      'Stores of the secrets that the configuration refers to, such as `vault://secret/weir#openai`. `docs/secrets.md` shows their use.',
    ),
    files: files().describe('Files that clients upload, and results of batches.'),
    batches: batches().describe('Batches of requests. `docs/batches.md` shows their use.'),
    async: asyncRequests().describe(
      'Requests with `Prefer: respond-async`. `docs/async.md` shows their use.',
    ),
    mail: mail().describe(
      'The server that sends mail, such as invoices; null for none. Adding the first server takes effect after a restart.',
    ),
    alerts: alerts().describe(
      'Built-in alerts: rules, and who is notified. `docs/alerts.md` shows their use.',
    ),
    exports: usageExports().describe(
      'Exports of usage and of logged requests to other systems. `docs/exports.md` shows their use.',
    ),
    billing: billing().describe(
      'Invoices: issuer, numbers, taxes and currencies. Price lists are set by the admin API. `docs/billing.md` shows their use.',
    ),
  });
}

/**
 * The schema of the configuration: every key with type, default and description. Rules between keys are in
 * consistency.ts and references.ts. Making it takes longer than everything else of a load.
 */
export const configSchema = perObject(createConfigSchema);

const MAX_WORKERS = 256;

const server = () =>
  section({
    host: host().prefault('0.0.0.0').describe('The address to listen on.'),
    port: port().prefault(DEFAULT_PORT).describe('The port of the API. 0 takes any free port.'),
    metrics_port: z
      .preprocess((value) => (value === '' ? null : value), port().nullable())
      .prefault(DEFAULT_METRICS_PORT)
      .describe(
        'The port of `/metrics`, `/health/live` and `/health/ready` in plain HTTP. 0 takes any free port; null disables it.',
      ),
    grpc_port: nullable(port()).describe(
      'The port of gRPC: `weir.v1`, the Open Inference Protocol (KServe v2), health and reflection. 0 takes any free port; null disables it. `docs/grpc.md` shows its use.',
    ),
    workers: nullable(z.union([z.enum(['auto']), integer(1, MAX_WORKERS)])).describe(
      'Processes that serve inference: a number, or `auto` for one for each core. Null: this process serves it. Needs Linux and Redis; `docs/workers.md` shows its use.',
    ),
    tls: tls().describe(
      'TLS 1.2 and 1.3 at the ports of the API and of gRPC; null for plain HTTP. Changed files are reloaded within 10 seconds, and on `SIGHUP`. The metrics port stays plain HTTP.',
    ),
    trusted_proxies: list(text(50)).describe(
      'Addresses and networks of proxies in front of Weir. Their `x-forwarded-for` gives the client address.',
    ),
    body_limit: size().prefault('20MB').describe('The largest request body.'),
    drain_timeout: duration(0)
      .prefault('30s')
      .describe('How long requests in flight may run after a stop signal.'),
    cors: section({
      origins: list(origin()).describe(
        'Browser origins that may call the API: exact ones such as `https://app.example.com`, or `"*"` for any.',
      ),
      allow_credentials: boolean()
        .prefault(false)
        .describe(
          'Allows browsers to send cookies and HTTP authentication. Not allowed with the origin `"*"`.',
        ),
      max_age: duration(0).prefault('10m').describe('How long browsers may cache a preflight response.'),
    }).describe('Cross-origin calls from browsers. Without origins, none are allowed.'),
    docs: boolean().prefault(true).describe('Serves `/docs` and `/openapi.json`.'),
    console: boolean()
      .prefault(true)
      .describe('Serves the web console at `/console`, and to browsers at `/`.'),
  });

const streams = () =>
  section({
    keep_alive: nullable(duration(1))
      .prefault('10s')
      .describe(
        'How long a stream may be silent before Weir sends a keep-alive: a comment, or a `ping` event on `/v1/messages`. null for none.',
      ),
    head_after: nullable(duration(0)).describe(
      'How long a stream may wait for the first event of its response before its head and keep-alives are sent. A failure after that is an error event instead of an HTTP status. null to wait for the response.',
    ),
  });

const provider = (catalog: ProviderCatalog) =>
  z.strictObject({
    id: providerId().describe('The name of this provider in targets and requests.'),
    kind: z.enum(catalog.kinds).describe('The service or format.'),
    vendor: nullable(z.enum(catalog.vendors)).describe(
      `The hosted service, which sets its address and known differences. Only with kind ${orList(catalog.genericKinds)}; not with \`engine\`.`,
    ),
    engine: nullable(z.enum(catalog.engines)).describe(
      `The self-hosted server, which sets its address and known differences. Only with kind ${orList(catalog.genericKinds)}; not with \`vendor\`.`,
    ),
    base_url: nullable(baseUrl()).describe(
      `The address of its API, such as \`http://host:8000/v1\`. Required with kind ${orList(catalog.genericKinds)} unless \`vendor\` or \`engine\` sets one.`,
    ),
    api_key: nullable(secret()).describe(`Its API key, preferably as \`\${NAME}\`.`),
    more_api_keys: list(secret()).describe(
      'More API keys, of other accounts. Requests are distributed over all keys. Limits, cooldown and failures are tracked for each key.',
    ),
    ...providerSettings(catalog),
    headers: headers().describe('HTTP headers that are added to each request to this provider.'),
    models: list(text(300)).describe('Upstream models that are offered without asking the provider.'),
    discover: boolean().prefault(true).describe('Asks the provider for its models.'),
    timeout: nullable(duration(1)).describe(
      'How long this provider may take for a response that is not streamed, or for the first event of a stream, such as `60s`; null for `limits.answer` and `limits.first_token`.',
    ),
    connect_timeout: duration(1).prefault('10s').describe('The timeout of connecting.'),
    tls: providerTls().describe(
      'TLS with an own certificate authority or a client certificate, for `https:` addresses. Changed files are read with the next reload.',
    ),
    upstream: providerUpstream().describe('Connection limits of this provider that differ from `upstream`.'),
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
        'Which API to use: `chat` (Chat Completions) or `responses` (Responses, which then also serves requests in other formats). By default `chat`, and both at vendors that are known to have both. With engine `ollama` also `native`: its own API, which accepts `options` such as `num_ctx`, `think` and `keep_alive`.',
      ),
    ),
    api_version: nullable(text(100)).describe(
      only('api_version', 'The version of the API, such as `v1` or a date.'),
    ),
    region: nullable(text(100)).describe(
      `The region in which it computes, such as \`us-east-1\`, for \`x-weir-region\` and the residency of tenants. With kind ${orList(catalog.settings.region ?? [])}, also the region or location to call.`,
    ),
    project: nullable(text(200)).describe(only('project', 'The cloud project that requests are billed to.')),
    service_account: nullable(secretText()).describe(
      only('service_account', 'A service account key: the path of its JSON file, or the JSON itself.'),
    ),
    tenant_id: nullable(text(200)).describe(
      only('tenant_id', 'The directory to authenticate with, instead of an `api_key`.'),
    ),
    client_id: nullable(text(200)).describe(
      only('client_id', 'The application (client) id to authenticate as.'),
    ),
    client_secret: nullable(secret()).describe(only('client_secret', "The application's client secret.")),
    access_key_id: nullable(secret()).describe(
      only(
        'access_key_id',
        'Access key. Without it, credentials come from the environment, the shared profile or the instance role.',
      ),
    ),
    secret_access_key: nullable(secret()).describe(
      only('secret_access_key', 'The secret of `access_key_id`.'),
    ),
    session_token: nullable(secret()).describe(
      only('session_token', 'The session token of temporary credentials.'),
    ),
    forward_batches: nullable(boolean()).describe(
      only(
        'forward_batches',
        "True sends lines of batches to the provider's own batch API, which keeps them for hours and charges less; otherwise Weir runs each line. `docs/batches.md` shows its use.",
      ),
    ),
  };
};

const media = () =>
  section({
    max_size: size()
      .prefault('20MB')
      .describe('The largest file. The files of one request have at most four times this size together.'),
    timeout: duration(1).prefault('15s').describe('The timeout of one download.'),
    allowed_hosts: list(text(300)).describe(
      'Hosts (`name` or `name:port`) with private addresses from which downloads are allowed.',
    ),
  });

/** The settings of each interceptor by name, validated by the interceptor's own schema. */
const interceptors = (catalog: ConfigCatalog) =>
  section(
    Object.fromEntries(
      catalog.interceptors.flatMap(({ name, config }) => (config ? [[name, config.optional()]] : [])),
    ),
  );

const limits = () =>
  section({
    per_ip: z
      .preprocess((value) => (value === '' ? null : value), addressRules().nullable())
      .optional()
      .describe(
        'Limits of one client address, for every route but health checks; null for none. By default `{ rps: 50, burst: 100, inflight: 120 }`. All spellings of an address, and all addresses of an IPv6 /64, count as one.',
      ),
    per_ip_exempt: z
      .preprocess((value) => value ?? undefined, z.array(text(50)).optional())
      .describe(
        'Addresses and networks that `per_ip` does not limit. By default the loopback addresses while `per_ip` has its default, and none once it is set. The addresses in `server.trusted_proxies` are never limited.',
      ),
    per_tenant: z
      .preprocess((value) => value ?? [], limitList)
      .prefault([])
      .describe(
        'Limits of every tenant, in the form of `limits.tiers`, unless the tenant or its tier has a limit of the same kind and period.',
      ),
    tiers: tiers().describe(
      'Limits of tenants by tier: a list of limits for each name. `free`, `basic`, `pro` and `enterprise` are built in (10, 100, 1,000 and 10,000 requests per minute; 1,000, 100,000, 1,000,000 and no limit per month). A tier of the same name replaces a built-in one.',
    ),
    default_tier: nullable(text(31))
      .prefault('free')
      .describe('The tier of new tenants without an explicit one; null for no limits.'),
    queue_timeout: duration(0).prefault('2s').describe('How long a request may wait for a concurrency slot.'),
    max_request: duration(1).prefault('90m').describe('The deadline of a request.'),
    first_token: duration(1)
      .prefault('5m')
      .describe('How long a target may take to send the first event or byte of its response.'),
    answer: nullable(duration(1)).describe(
      'How long a target may take for a response that is not streamed, before another target is tried; null for `max_request`.',
    ),
    stream_idle: duration(1).prefault('3m').describe('The longest time between two events of a stream.'),
    ...serverLimits(),
  }).transform((limits) => ({
    ...limits,
    per_ip: limits.per_ip === undefined ? DEFAULT_PER_IP : limits.per_ip,
    per_ip_exempt: limits.per_ip_exempt ?? (limits.per_ip === undefined ? LOOPBACK : []),
  }));

/** The limits of one address when none are set: those of a busy office. */
const DEFAULT_PER_IP = { rps: 50, burst: 100, inflight: 120 };
/** Scripts, tests and proxies on the same machine. */
const LOOPBACK: string[] = ['127.0.0.0/8', '::1/128'];

const addressRules = () =>
  z
    .strictObject({
      rps: positiveNumber().prefault(DEFAULT_PER_IP.rps).describe('Requests per second.'),
      burst: nullable(integer(1)).describe('Requests that may arrive at once. By default `rps`, rounded up.'),
      inflight: nullable(integer(1)).describe('Concurrent requests; null for no limit.'),
    })
    .transform((value) => ({ ...value, burst: value.burst ?? Math.ceil(value.rps) }));

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

/** A guardrail, with every default filled in. */
export type GuardrailSettings = Config['guardrails'][number];
