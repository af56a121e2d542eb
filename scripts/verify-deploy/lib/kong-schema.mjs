// The part of Kong's declarative format that deploy/kong uses. Source: Kong Gateway 3, reference of entities and plugins.

const object = (properties, required = []) => ({
  type: 'object',
  additionalProperties: false,
  required,
  properties,
});
const list = (items) => ({ type: 'array', items });
const text = { type: 'string', minLength: 1 };
const flag = { type: 'boolean' };
const milliseconds = { type: 'integer', minimum: 1, maximum: 2_147_483_646 };
const count = { type: 'integer', minimum: 0, maximum: 255 };
const headers = object({ headers: list({ type: 'string' }) });
const check = object({
  interval: { type: 'number', minimum: 0, maximum: 65_535 },
  successes: count,
  http_failures: count,
  tcp_failures: count,
  timeouts: count,
  http_statuses: list({ type: 'integer', minimum: 100, maximum: 999 }),
});

const PLUGIN_CONFIGS = {
  'key-auth': object({
    key_names: list(text),
    key_in_header: flag,
    key_in_query: flag,
    key_in_body: flag,
    hide_credentials: flag,
    anonymous: text,
    run_on_preflight: flag,
  }),
  'rate-limiting': object({
    second: milliseconds,
    minute: milliseconds,
    hour: milliseconds,
    limit_by: { enum: ['consumer', 'credential', 'ip', 'service', 'header', 'path', 'consumer-group'] },
    policy: { enum: ['local', 'cluster', 'redis'] },
    fault_tolerant: flag,
    hide_client_headers: flag,
    redis: object(
      {
        host: text,
        port: { type: 'integer', minimum: 1, maximum: 65_535 },
        timeout: milliseconds,
        database: { type: 'integer' },
        username: text,
        password: text,
        ssl: flag,
        ssl_verify: flag,
      },
      ['host'],
    ),
  }),
  'request-transformer': object({
    add: headers,
    remove: headers,
    replace: headers,
    append: headers,
    rename: headers,
  }),
  prometheus: object({
    per_consumer: flag,
    status_code_metrics: flag,
    latency_metrics: flag,
    bandwidth_metrics: flag,
    upstream_health_metrics: flag,
  }),
  'correlation-id': object({
    header_name: text,
    generator: { enum: ['uuid', 'uuid#counter', 'tracker'] },
    echo_downstream: flag,
  }),
};

const plugin = {
  ...object({ name: { enum: Object.keys(PLUGIN_CONFIGS) }, service: text, enabled: flag, config: {} }, [
    'name',
  ]),
  allOf: Object.entries(PLUGIN_CONFIGS).map(([name, config]) => ({
    if: { properties: { name: { const: name } } },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: { properties: { config } },
  })),
};

const SCHEMA = object(
  {
    _format_version: { enum: ['3.0'] },
    _transform: flag,
    upstreams: list(
      object(
        {
          name: text,
          algorithm: { enum: ['round-robin', 'least-connections', 'consistent-hashing', 'latency'] },
          hash_on: {
            enum: ['none', 'consumer', 'ip', 'header', 'cookie', 'path', 'query_arg', 'uri_capture'],
          },
          hash_on_header: text,
          hash_fallback: { enum: ['none', 'consumer', 'ip', 'header', 'cookie'] },
          healthchecks: object({
            active: object({
              type: { enum: ['tcp', 'http', 'https', 'grpc', 'grpcs'] },
              http_path: { type: 'string', pattern: '^/' },
              timeout: { type: 'number' },
              concurrency: { type: 'integer' },
              healthy: check,
              unhealthy: check,
            }),
          }),
          targets: list(
            object({ target: text, weight: { type: 'integer', minimum: 0, maximum: 65_535 } }, ['target']),
          ),
        },
        ['name'],
      ),
    ),
    services: list(
      object(
        {
          name: text,
          host: text,
          protocol: { enum: ['http', 'https', 'grpc', 'grpcs', 'tcp', 'tls'] },
          port: { type: 'integer', minimum: 0, maximum: 65_535 },
          path: { type: 'string', pattern: '^/' },
          retries: { type: 'integer', minimum: 0, maximum: 32_767 },
          connect_timeout: milliseconds,
          read_timeout: milliseconds,
          write_timeout: milliseconds,
          routes: list(
            object(
              {
                name: text,
                paths: list({ type: 'string', pattern: '^(/|~/)' }),
                methods: list(text),
                hosts: list(text),
                strip_path: flag,
                preserve_host: flag,
                protocols: list({ enum: ['http', 'https', 'grpc', 'grpcs'] }),
                request_buffering: flag,
                response_buffering: flag,
              },
              ['name', 'paths'],
            ),
          ),
        },
        ['name', 'host'],
      ),
    ),
    plugins: list(plugin),
    consumers: list(
      object(
        {
          username: text,
          keyauth_credentials: list(object({ key: text }, ['key'])),
          plugins: list(plugin),
        },
        ['username'],
      ),
    ),
  },
  ['_format_version'],
);

/** @returns {Promise<string[]>} what a declarative configuration has wrong: its form, and names that nothing has */
export async function kongErrors(config) {
  const { default: Ajv } = await import('ajv');
  const validate = new Ajv({ allErrors: true, strict: false }).compile(SCHEMA);
  const errors = validate(config)
    ? []
    : validate.errors.map(
        ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
      );
  const names = (entities) => (entities ?? []).map(({ name }) => name);
  const services = names(config.services);
  for (const { name, service } of config.plugins ?? []) {
    if (service !== undefined && !services.includes(service)) errors.push(`${name}: no service ${service}`);
  }
  for (const { name, host } of config.services ?? []) {
    if (!host.includes('.') && !names(config.upstreams).includes(host))
      errors.push(`${name}: no upstream ${host}`);
  }
  return errors;
}
