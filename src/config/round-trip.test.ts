import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { loadText } from '../../test/support/config-source.ts';
import { runs } from '../../test/support/effort.ts';
import { testCatalog } from '../../test/support/provider-catalog.ts';
import { configSchema } from './schema.ts';

const optional = <T>(shape: { [Key in keyof T]: fc.Arbitrary<T[Key]> }) =>
  fc.record(shape, { requiredKeys: [] });
const nullish = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });

const duration = fc
  .tuple(fc.integer({ min: 1, max: 24 }), fc.constantFrom('ms', 's', 'm', 'h', 'd'))
  .map(([count, unit]) => `${count}${unit}`);
const size = fc.oneof(
  fc.integer({ min: 1, max: 2 ** 31 }),
  fc
    .tuple(fc.integer({ min: 1, max: 2 }), fc.constantFrom('B', 'KB', 'MiB', 'GiB'))
    .map((parts) => parts.join('')),
);
/** Text that YAML could take for something else, and any other. */
const awkward = fc.oneof(
  fc.constantFrom(
    'null',
    '~',
    'true',
    'no',
    '010',
    '1e3',
    '0x1F',
    '.inf',
    '- a',
    '{a',
    '[b',
    '#c',
    '&d',
    '*e',
    '!f',
    '%g',
    '@h',
    '<<',
    '=',
    "'",
    '"',
    '|',
    '>',
    '?',
    ':',
    '2026-01-01',
  ),
  fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }),
);
const upstream = awkward.filter((text) => !/\p{Cc}/u.test(text) && text.length <= 300);
const modelName = awkward.filter((text) => !/[\p{Cc}\s]/u.test(text) && text.length <= 200);
const secret = fc.stringMatching(/^[\x21-\x7e]{1,40}$/);
const headers = fc.dictionary(
  fc.stringMatching(/^x-[a-z0-9]{1,10}$/),
  fc.stringMatching(/^[\x20-\x7e]{0,20}$/),
  { maxKeys: 3 },
);

const provider = optional({
  vendor: fc.constant(null),
  base_url: fc.constantFrom('http://h', 'https://h.example:8443/v1/', 'http://[::1]:8000/v1'),
  api_key: nullish(secret),
  headers,
  models: fc.array(upstream, { maxLength: 3 }),
  discover: fc.boolean(),
  connect_timeout: duration,
  upstream: nullish(
    optional({
      max_connections: nullish(fc.integer({ min: 1, max: 1_000_000 })),
      keepalive: nullish(fc.integer({ min: 0, max: 1_000_000 })),
      keepalive_expiry: nullish(duration),
    }),
  ),
});

const model = optional({
  strategy: fc.constantFrom('round-robin', 'weighted', 'least-inflight'),
  targets: fc.array(
    fc.record({
      provider: fc.constant('simulator'),
      model: upstream,
      weight: fc.integer({ min: 1, max: 2 ** 40 }),
    }),
    { minLength: 1, maxLength: 3 },
  ),
});

const config = optional({
  server: nullish(
    optional({
      host: fc.constantFrom('127.0.0.1', '::', '::1', 'localhost', '0.0.0.0'),
      port: fc.integer({ min: 0, max: 9000 }),
      metrics_port: nullish(fc.integer({ min: 9001, max: 60_000 })),
      grpc_port: nullish(fc.integer({ min: 1, max: 1000 }).map((port) => 64_000 + port)),
      tls: nullish(fc.record({ cert: upstream, key: upstream })),
      body_limit: size,
      drain_timeout: duration,
      cors: optional({
        origins: fc.subarray(['https://a.example', 'http://localhost:3000']),
        allow_credentials: fc.boolean(),
        max_age: duration,
      }),
      docs: fc.boolean(),
    }),
  ),
  storage: nullish(
    optional({
      database_url: upstream.filter((text) => text.trim() !== '').map((text) => `sqlite:./${text}`),
    }),
  ),
  log: nullish(optional({ level: fc.constantFrom('trace', 'silent'), requests: fc.boolean() })),
  providers: nullish(
    fc
      .array(provider, { maxLength: 3 })
      .map((list) => list.map((entry, n) => ({ id: `p${n}`, kind: 'openai', ...entry }))),
  ),
  models: fc
    .uniqueArray(fc.tuple(modelName, model), { maxLength: 4, selector: ([name]) => name })
    .map((list) =>
      list.map(([id, entry], n) => ({
        id,
        targets: [{ provider: 'simulator', model: 'x' }],
        // Only backwards, so that there is no circle.
        fallbacks: list.slice(0, n).map(([name]) => name),
        ...entry,
      })),
    ),
  simulator: nullish(fc.constantFrom('admin', 'all')),
  default_model: nullish(modelName.map((name) => `simulator/${name}`)),
  limits: nullish(
    optional({
      per_ip: nullish(
        fc.record(
          {
            rps: fc.double({ min: 1e-9, max: 1e9, noNaN: true }),
            burst: nullish(fc.integer({ min: 1 })),
            inflight: nullish(fc.integer({ min: 1 })),
          },
          { requiredKeys: ['rps'] },
        ),
      ),
      queue_timeout: duration,
      max_request: duration,
      first_token: duration,
      stream_idle: duration,
    }),
  ),
});

/** What the file must say for the text to come out as it is. */
function escaped(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('${', () => '$${');
  if (Array.isArray(value)) return value.map(escaped);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, escaped(child)]));
}

test('what the schema accepts loads to the same value from YAML', () => {
  const schema = configSchema(testCatalog);
  fc.assert(
    fc.property(config, fc.boolean(), (input, flow) => {
      const expected = schema.parse(input);
      const text = stringify(escaped(input), {
        collectionStyle: flow ? 'flow' : 'block',
        aliasDuplicateObjects: false,
      });
      expect(loadText(text).config).toEqual(expected);
    }),
    { numRuns: runs(120) },
  );
});
