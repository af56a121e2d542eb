/** Configurations that the bench writes for the programs it starts. */

/** One worker in one process, bare proxying with keep-alive on both sides and no buffering, as one would put it before an LLM. */
export function nginxConfig(options: { folder: string; port: number; upstreamPort: number }): string {
  const { folder, port, upstreamPort } = options;
  return `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr error;
# Well above what is used: nginx closes waiting connections once only a sixteenth of these is free.
events { worker_connections 32768; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  client_body_buffer_size 64k;
  upstream mock {
    server 127.0.0.1:${upstreamPort};
    keepalive 256;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    location / {
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 300s;
    }
  }
}
`;
}

/** Targets of the model on which it is measured what choosing among many costs. */
export const MANY_TARGETS = 20;

/** The large installation: its sizes, and what a request of it costs is compared with a request of one tenant. */
export const MANY_MODELS = 1_000;
const TARGETS_PER_MODEL = 3;

/** Limits of every kind, which no bench reaches. */
export const BENCH_LIMITS = [
  { of: 'requests', per: 'minute', max: 900_000_000 },
  { of: 'tokens', per: 'minute', max: 900_000_000_000 },
  { of: 'concurrent_requests', max: 1_000_000 },
  { of: 'requests', per: 'month', max: 900_000_000_000 },
  { of: 'cost', per: 'month', max: '1000000' },
] as const;

/** One client address has every connection of the bench, and reads none of its streams while it measures memory. */
const UNREACHED_SERVER_LIMITS = {
  max_connections: 1_000_000,
  max_connections_per_ip: null,
  request_memory: '2GiB',
  write_idle: '1h',
} as const;

export interface WeirConfigOptions {
  readonly keepUsage?: boolean;
  readonly isCached?: boolean;
  /** Another port of the upstream, for a second target of the model. */
  readonly secondPort?: number;
}

/**
 * Weir with a model on the mock upstream, one that has to be translated, and one with many targets, all at a price;
 * everything else as it is by default.
 */
export function weirConfig(
  upstreamPort: number,
  { keepUsage = true, isCached = false, secondPort }: WeirConfigOptions = {},
): string {
  const url = `http://127.0.0.1:${upstreamPort}`;
  const common = { api_key: 'sk-mock', discover: false };
  const providers = [
    { id: 'mock', kind: 'openai-compatible', base_url: `${url}/v1`, ...common },
    { id: 'mock-anthropic', kind: 'anthropic', base_url: url, ...common },
    ...(secondPort === undefined
      ? []
      : [
          {
            ...{ id: 'second', kind: 'openai-compatible', ...common },
            base_url: `http://127.0.0.1:${secondPort}/v1`,
          },
        ]),
  ];
  const second = secondPort === undefined ? [] : [{ provider: 'second', model: 'mock-model' }];
  const models = [
    { id: 'bench-model', targets: [{ provider: 'mock', model: 'mock-model' }, ...second] },
    {
      id: 'bench-many',
      targets: Array.from({ length: MANY_TARGETS }, (_, index) => ({
        provider: 'mock',
        model: `mock-model-${index}`,
      })),
    },
    { id: 'bench-translated', targets: [{ provider: 'mock-anthropic', model: 'mock-model' }] },
  ];
  const prices = [{ model: 'mock-model*', input: '0.25', output: '1.5' }];
  return yaml({
    ...{ providers, models, prices: keepUsage ? prices : [] },
    limits: UNREACHED_SERVER_LIMITS,
    storage: { keep_usage: keepUsage },
    // The requests of the bench have a temperature.
    cache: isCached ? { exact: { ttl: '1h', sampled: true } } : null,
  });
}

/** Models of `guardrailsConfig`, named after what guards them; `decoded` has a guardrail that only reads events. */
export const GUARDED_MODELS = ['off', 'decoded', 'pii', 'words', 'injection'] as const;

/** Weir with the same upstream behind several models, each with a guardrail on its responses. */
export function guardrailsConfig(upstreamPort: number): string {
  const base_url = `http://127.0.0.1:${upstreamPort}/v1`;
  const on = ['output'];
  const words = Array.from({ length: 100 }, (_, index) => `${WORD_BEGINNINGS[index % 20]}${index}x`);
  return yaml({
    providers: [{ id: 'mock', kind: 'openai-compatible', base_url, api_key: 'sk-mock', discover: false }],
    models: GUARDED_MODELS.map((id) => ({ id, targets: [{ provider: 'mock', model: 'mock-model' }] })),
    guardrails: [
      { id: 'decoded', kind: 'pii', action: 'pseudonymise', on: ['input'], models: ['decoded'] },
      { id: 'pii', kind: 'pii', action: 'redact', on, models: ['pii'] },
      { id: 'words', kind: 'rules', action: 'redact', on, models: ['words'], rules: { words } },
      { id: 'injection', kind: 'injection', action: 'block', on, models: ['injection'] },
    ],
    limits: UNREACHED_SERVER_LIMITS,
  });
}

/** What listed words begin with: those of the mock's text among them. */
const WORD_BEGINNINGS =
  'the riv fal mea sto can war hel pro con int rea sea lan for sta tra pla gra cha'.split(' ');

/** The names of the models of `manyTenantsConfig`. */
export const manyModels = (): string[] => Array.from({ length: MANY_MODELS }, (_, index) => `model-${index}`);

/** Weir with a thousand models on the mock upstream, each at several providers; everything else as in `weirConfig`. */
export function manyTenantsConfig(upstreamPort: number): string {
  const ids = Array.from({ length: TARGETS_PER_MODEL }, (_, index) => `mock-${index}`);
  const base_url = `http://127.0.0.1:${upstreamPort}/v1`;
  return yaml({
    providers: ids.map((id) => ({
      ...{ id, kind: 'openai-compatible', base_url, api_key: 'sk-mock', discover: false },
    })),
    models: manyModels().map((id) => ({
      id,
      targets: ids.map((provider) => ({ provider, model: `mock-model-${id}` })),
    })),
    prices: [{ model: 'mock-model*', input: '0.25', output: '1.5' }],
    limits: UNREACHED_SERVER_LIMITS,
  });
}

/** JSON is YAML, and needs no quoting rules of its own. */
function yaml(sections: Readonly<Record<string, unknown>>): string {
  return Object.entries(sections)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`)
    .join('');
}
