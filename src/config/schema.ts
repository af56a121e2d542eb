import { z } from 'zod';
import { CAPABILITIES } from '../core/capabilities.ts';
import type { ProviderCatalog } from './catalog.ts';
import {
  baseUrl,
  boolean,
  decimal,
  duration,
  fromNumericText,
  headers,
  host,
  integer,
  list,
  modelName,
  nullable,
  origin,
  positiveNumber,
  secret,
  section,
  size,
  text,
} from './fields.ts';

export const DEFAULT_PORT = 8080;
export const DEFAULT_METRICS_PORT = 9090;
export const DEFAULT_DATA_DIR = './data';
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export const LOG_FORMATS = ['auto', 'json', 'text'] as const;
export const STRATEGIES = [
  'power-of-two',
  'least-inflight',
  'round-robin',
  'weighted',
  'lowest-cost',
  'consistent-hash',
  'prefix-affinity',
  'engine-load',
] as const;

const PROVIDER_ID = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const PROVIDER_ID_MESSAGE =
  'must be 1 to 63 lower-case letters, digits, ".", "_" and "-", beginning with a letter or digit';

/** `provider-id/upstream-model` has to fit. */
const LONGEST_REFERENCE = 400;

const port = () => integer(0, 65_535);
const providerId = () => z.string().regex(PROVIDER_ID, PROVIDER_ID_MESSAGE);

/**
 * The shape of the configuration: every key, its type, its default and what it is for. Rules between keys are in
 * consistency.ts and references.ts.
 */
export function createConfigSchema(catalog: ProviderCatalog) {
  return z.strictObject({
    server: server().describe('The HTTP servers.'),
    storage: storage().describe('Where state is kept.'),
    log: log().describe('The log, written to standard output.'),
    providers: nullable(z.array(provider(catalog))).describe(
      'The upstream accounts and engines. Without this key they come from the environment; an empty list means none but the built-in ones.',
    ),
    models: list(model()).describe('The names that clients send, and what stands behind each.'),
    default_model: nullable(modelName(LONGEST_REFERENCE)).describe(
      'The model of requests to `/inference` and `/stream` that name none: a model id, an alias, or `provider-id/upstream-model`.',
    ),
    media: media().describe(
      'Images and files that clients name by URL, where a provider wants them in the request itself.',
    ),
    routing: routing().describe('How failures are dealt with.'),
    limits: limits().describe('What one client may use, and how long things may take.'),
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

const storage = () =>
  section({
    database_url: z
      .string()
      .superRefine((value, context) => {
        const fault = databaseUrlFault(value);
        if (fault !== null) context.addIssue({ code: 'custom', message: fault });
      })
      .prefault(`sqlite:${DEFAULT_DATA_DIR}`)
      .describe(
        'The database: `sqlite:` and the directory of its files, which is made if it is missing. The default follows `WEIR_DATA_DIR`.',
      ),
    redis_url: nullable(z.string())
      .superRefine((value, context) => {
        if (value === null) return;
        context.addIssue({ code: 'custom', message: 'this version does not use Redis; remove the value' });
      })
      .describe('Reserved. This version does not use Redis, so a value is an error.'),
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

const concurrency = () => nullable(z.union([integer(1, 100_000), z.enum(['adaptive'])]));

const model = () =>
  z.strictObject({
    id: modelName().describe('The name that clients send.'),
    aliases: list(modelName()).describe('More names for the same model.'),
    strategy: z
      .enum(STRATEGIES)
      .prefault('power-of-two')
      .describe(
        'How a target is picked: `power-of-two`, the faster and less busy of two; `least-inflight`, the one with the fewest requests in flight for its weight; `round-robin`, in turn; `weighted`, by chance; `lowest-cost`, by price; `consistent-hash`, always the same for a session, user or conversation; `prefix-affinity`, where the beginning of the prompt is in the cache; `engine-load`, by what engines say of their queues.',
      ),
    targets: z
      .array(
        z.strictObject({
          provider: providerId().describe('The id of a provider.'),
          model: text(300).describe("The model's name at that provider."),
          weight: integer(0).prefault(1).describe('Its share of the requests. 0 takes it out of use.'),
          tier: integer(0, 99)
            .prefault(0)
            .describe(
              'Targets of a higher tier are used only when none of a lower one can be, or all of them are busy.',
            ),
          max_concurrency: concurrency().describe(
            'Requests that it may have at the same time: a number, or `adaptive`; null for `routing.admission.max_concurrency`.',
          ),
        }),
      )
      .min(1)
      .describe('The providers and upstream models that can answer. At least one.'),
    strict: boolean()
      .prefault(false)
      .describe(
        'Whether to refuse (400) what a target cannot be told in full, instead of a warning in `x-weir-warnings`.',
      ),
    roles: list(text(60)).describe(
      'What the model is for, where a request names none: `sql` answers `/v1/text2sql`.',
    ),
    context_window: nullable(integer(1)).describe(
      'Tokens of prompt and answer together; else from model data.',
    ),
    max_output_tokens: nullable(integer(1)).describe('Tokens of one answer at most; else from model data.'),
    price: nullable(
      z.strictObject({
        input: decimal().describe('For input.'),
        output: decimal().describe('For output.'),
        cached_input: nullable(decimal()).describe("For input from the provider's prompt cache."),
        cache_write: nullable(decimal()).describe('For input that is written to that cache.'),
      }),
    ).describe('US dollars per million tokens; else from price data.'),
    capabilities: z
      .partialRecord(z.enum(CAPABILITIES), boolean())
      .prefault({})
      .describe(
        `What the model can do, where model data does not know better: ${CAPABILITIES.map((name) => `\`${name}\``).join(', ')}, each true or false.`,
      ),
    fallbacks: list(modelName(LONGEST_REFERENCE)).describe(
      'What to try, in this order, when no target can answer: a model id, an alias, or `provider-id/upstream-model`.',
    ),
    hedge: nullable(
      z.strictObject({
        percent: z
          .preprocess(fromNumericText, z.number().gt(0).max(100))
          .prefault(5)
          .describe('Of the streams of this model at most.'),
        after: nullable(duration(1)).describe(
          'How long without a first event; null for the 95th percentile of the target of late.',
        ),
        max_price_ratio: positiveNumber().prefault(2).describe('How much dearer the second target may be.'),
      }),
    ).describe(
      'Whether a second target is asked beside a first that is slow to begin a stream; the slower one is cancelled. null for never.',
    ),
    fallbacks_on: section({
      context_window: list(modelName(LONGEST_REFERENCE)).describe('When the conversation is too long.'),
      content_policy: list(modelName(LONGEST_REFERENCE)).describe(
        'When the provider will not handle the prompt.',
      ),
      rate_limit: list(modelName(LONGEST_REFERENCE)).describe(
        'When a target is over its limit; before `fallbacks`.',
      ),
    }).describe('Models to go to for one kind of failure.'),
  });

const routing = () =>
  section({
    retry: section({
      attempts: integer(1, 20)
        .prefault(3)
        .describe(
          'Attempts of one request in all, after each target has had one. 1: no second try of a target.',
        ),
      base: duration(0)
        .prefault('1s')
        .describe('How long to wait before the second round; twice as long each time.'),
      max: duration(0).prefault('4s').describe('The longest wait between two rounds.'),
      budget: z
        .preprocess(fromNumericText, z.number().min(0).max(1))
        .prefault(0.2)
        .describe('Share of the requests that may be repeated, beside a few that always may.'),
    }).describe('Second tries of the same target. Other targets and fallbacks are tried first, at once.'),
    breaker: section({
      failures: integer(1).prefault(5).describe('Failures in a row that open it.'),
      error_rate: z
        .preprocess(fromNumericText, z.number().gt(0).max(1))
        .prefault(0.5)
        .describe('Share of failures within half a minute that opens it.'),
      min_requests: integer(1).prefault(20).describe('Requests within that time before the share counts.'),
      open: duration(1)
        .prefault('30s')
        .describe('How long it stays open before a request is let through as a probe.'),
    }).describe('The circuit breaker of each target: it keeps requests from one that fails.'),
    cool_down: section({
      default: duration(0).prefault('2s').describe('Where it does not say for how long.'),
      max: duration(0).prefault('5m').describe('The longest, whatever it says. 0 for never.'),
    }).describe('How long a target that is over its limit is left alone, as long as there are others.'),
    health: section({
      interval: nullable(duration(1))
        .prefault('10s')
        .describe('How often engines are asked whether they are well; null for never.'),
      timeout: duration(1).prefault('3s').describe('How long they may take to answer.'),
      failures: integer(1).prefault(3).describe('Checks in a row that fail before an engine counts as dead.'),
      successes: integer(1).prefault(2).describe('Checks in a row that succeed before it is used again.'),
      load_interval: duration(1)
        .prefault('2s')
        .describe('How often engines are asked for their load, where `engine-load` is used.'),
    }).describe('Checks of self-hosted engines, beside what their answers to requests tell.'),
    admission: section({
      max_concurrency: concurrency().describe(
        'Requests that a target may have at the same time, where the target does not say: a number; `adaptive`, found from how its answers get slower; null for any number.',
      ),
      max_queued: integer(1, 100_000)
        .prefault(1_000)
        .describe(
          'Requests that may wait for one target. Beyond, those of low priority give way, then those of the tenant with the most.',
        ),
    }).describe(
      'What happens when a target has as many requests as it may have: others wait, up to `limits.queue_timeout`, fairly between tenants.',
    ),
    slow_start: duration(0)
      .prefault('30s')
      .describe('How long a target that has come back gets less than its share of the requests.'),
  });

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

function databaseUrlFault(value: string): string | null {
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/s.exec(value);
  const scheme = match?.[1]?.toLowerCase();
  const directory = match?.[2] ?? '';
  if (scheme === undefined) return 'expected sqlite: and a directory, such as sqlite:./data';
  // The rest is not printed: in a URL of another database it would hold a password.
  if (scheme !== 'sqlite')
    return `"${scheme}:" is not supported: this version stores in SQLite only (sqlite:<directory>)`;
  if (directory.trim() === '') return 'the directory is missing: write one after sqlite:';
  if (/^\/\/[^/]/.test(directory) || directory === ':memory:' || /\p{Cc}/u.test(directory)) {
    return 'expected a directory after sqlite:, such as sqlite:./data or sqlite:/var/lib/weir';
  }
  return null;
}

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
export type ModelConfig = Config['models'][number];
export type TargetConfig = ModelConfig['targets'][number];
export type Strategy = ModelConfig['strategy'];
