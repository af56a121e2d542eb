import { describe, expect, test } from 'bun:test';
import { faultsOf, loadText } from '../../test/support/config-source.ts';

const PROVIDERS = `providers:
  - { id: up, kind: openai, discover: false, models: [listed] }
`;
const model = (id: string, more = ''): string =>
  `  - { id: ${id}, targets: [{ provider: up, model: x }]${more === '' ? '' : `, ${more}`} }\n`;

describe('providers', () => {
  test('an unknown provider in a target', () => {
    const text = `${PROVIDERS}models:\n  - id: m\n    targets:\n      - { provider: upp, model: x }\n`;
    expect(faultsOf(text)).toEqual([
      '6:21 models[0].targets[0].provider: unknown provider "upp" (did you mean "up"?)',
    ]);
  });

  test('the built-in provider may be named but not defined', () => {
    const target = 'models: [{ id: m, targets: [{ provider: simulator, model: x }] }]';
    expect(loadText(`providers: []\n${target}`).config.models).toHaveLength(1);
    expect(faultsOf('providers: [{ id: simulator, kind: openai }]')).toEqual([
      '1:19 providers[0].id: "simulator" is the id of a built-in provider; choose another id',
    ]);
  });

  test('the built-in provider may not be named, or another one of its kind defined, while it is off', () => {
    const models = (provider: string, more = '') =>
      `models: [{ id: m, targets: [{ provider: ${provider}, model: x }]${more} }]`;
    expect(faultsOf(`simulator: off\nproviders: []\n${models('simulator')}`)).toEqual([
      '3:41 models[0].targets[0].provider: provider "simulator" cannot be used with "simulator: off"',
    ]);
    expect(faultsOf(`simulator: off\n${models('simulator')}`)).toHaveLength(1);
    expect(faultsOf('simulator: off\nproviders: [{ id: a, kind: simulator }]')).toEqual([
      '2:28 providers[0].kind: cannot be simulator with "simulator: off"',
    ]);
    const fallback = `simulator: off\n${PROVIDERS}models:\n${model('a', 'fallbacks: [simulator-chat]')}`;
    expect(faultsOf(fallback)).toEqual([expect.stringContaining('unknown model "simulator-chat"')]);
    for (const mode of ['admin', 'all']) {
      expect(loadText(`simulator: ${mode}\n${models('simulator')}`).config.simulator).toBe(
        mode === 'all' ? 'all' : 'admin',
      );
    }
    expect(faultsOf('simulator: some')).toEqual([
      '1:12 simulator: unknown value "some"; allowed: off, admin, all',
    ]);
  });

  test('duplicate ids', () => {
    expect(faultsOf('providers:\n- { id: a, kind: openai }\n- { id: a, kind: openai }')).toEqual([
      '3:9 providers[1].id: duplicate id "a"; providers[0] already has it',
    ]);
  });

  test('without a providers key, an unknown one is only a warning', () => {
    expect(loadText('models: [{ id: m, targets: [{ provider: env, model: x }] }]').warnings).toEqual([
      'weir.yaml:1:41  models[0].targets[0].provider: provider "env" is not configured; it must come from the environment',
    ]);
  });

  test('an id that cannot be read does not make its users wrong', () => {
    const text =
      'providers: [{ id: 7, kind: openai }]\nmodels: [{ id: m, targets: [{ provider: seven, model: x }] }]';
    expect(faultsOf(text)).toEqual([
      '1:19 providers[0].id: expected text but found a number; put it in quotes',
    ]);
  });

  test.each([
    ['{ id: a, kind: openai, vendor: groq }', 'vendor: only goes with kind openai-compatible'],
    ['{ id: a, kind: openai, engine: vllm }', 'engine: only goes with kind openai-compatible'],
    [
      '{ id: a, kind: openai-compatible, vendor: groq, engine: vllm }',
      'engine: cannot go together with vendor',
    ],
    [
      '{ id: a, kind: openai-compatible }',
      'base_url: is required with kind openai-compatible, unless vendor or engine implies one',
    ],
    ['{ id: a, kind: openai-compatible, engine: vllm }', 'base_url: is required with kind openai-compatible'],
    ['{ id: a, kind: openai, base_url: "ftp://h" }', 'base_url: expected an http:// or https:// URL'],
    ['{ id: a, kind: openai, base_url: "http://h/?" }', 'base_url: must not contain a query or fragment'],
    ['{ id: a, kind: openai, base_url: "http://h/#" }', 'base_url: must not contain a query or fragment'],
    [
      '{ id: a, kind: openai, base_url: "http://u@h/" }',
      'base_url: must not contain a user name or password',
    ],
    ['{ id: A, kind: openai }', 'id: must be 1 to 63 lower-case letters'],
    [
      '{ id: a, kind: openai, headers: { Host: x } }',
      'headers.Host: this header is set by the gateway itself',
    ],
    ['{ id: a, kind: openai, headers: { "a b": x } }', 'headers["a b"]: not a valid header name'],
    ['{ id: a, kind: openai, headers: { x-a: x, X-A: x } }', 'headers.X-A: this header is given twice'],
    ['{ id: a, kind: openai, headers: { a: "x\\ny" } }', 'headers.a: must be one line'],
  ])('%s', (entry, message) => {
    const faults = faultsOf(`providers: [${entry}]`);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(`providers[0].${message}`);
  });

  test.each([
    '{ id: a, kind: openai-compatible, vendor: groq }',
    '{ id: a, kind: openai-compatible, engine: ollama }',
    '{ id: a, kind: openai-compatible, base_url: "http://h/v1" }',
    '{ id: a, kind: openai, vendor: "" }',
  ])('%s is fine', (entry) => {
    expect(loadText(`providers: [${entry}]`).config.providers).toHaveLength(1);
  });
});

describe('models', () => {
  test('ids and aliases are one name space', () => {
    const text = `${PROVIDERS}models:\n${model('a', 'aliases: [b, b]')}${model('b')}${model('a')}`;
    expect(faultsOf(text).map((fault) => fault.replace(/^\S+ /, ''))).toEqual([
      'models[0].aliases[1]: duplicate model name "b"; this model already has it',
      'models[1].id: duplicate model name "b"; models[0] already has it',
      'models[2].id: duplicate model name "a"; models[0] already has it',
    ]);
  });

  test('a fallback is a model, an alias, a provider and model, or a model that a provider is known to offer', () => {
    const text = `${PROVIDERS}models:\n${model('a', 'fallbacks: [b, bee, up/x, simulator/y, listed, simulator-chat]')}${model('b', 'aliases: [bee]')}`;
    expect(loadText(text).warnings).toEqual([]);
  });

  test.each(['nope', 'nope/x', 'up/', '/x'])('the fallback %s is unknown', (name) => {
    expect(faultsOf(`${PROVIDERS}models:\n${model('a', `fallbacks: [${name}]`)}`)).toEqual([
      `4:65 models[0].fallbacks[0]: unknown model "${name}"`,
    ]);
  });

  test('the default model follows the same rule', () => {
    const text = `${PROVIDERS}models:\n${model('small')}`;
    expect(faultsOf(`${text}default_model: smal`)).toEqual([
      '5:16 default_model: unknown model "smal" (did you mean "small"?)',
    ]);
    expect(loadText(`${text}default_model: up/anything`).config.default_model).toBe('up/anything');
  });

  test('models that guardrails ask follow the same rule, and ids of guardrails are unique', () => {
    const judge = "{ id: j, kind: judge, action: block, judge: { model: smal, policy: 'No cats.' } }";
    const inner = '{ id: i, kind: injection, action: block, injection: { judge: { model: small } } }';
    const text = `${PROVIDERS}models:\n${model('small')}guardrails:\n  - ${judge}\n  - ${inner}\n  - ${inner}\n`;
    expect(faultsOf(text).map((fault) => fault.replace(/^\S+ /, ''))).toEqual([
      'guardrails[0].judge.model: unknown model "smal" (did you mean "small"?)',
      'guardrails[2].id: duplicate id "i"',
    ]);
  });

  test('where providers are asked for their models, an unknown name is only a warning', () => {
    const text = 'providers: [{ id: up, kind: openai }]\ndefault_model: gpt-4o-mini';
    expect(loadText(text).warnings).toEqual([
      'weir.yaml:2:16  default_model: model "gpt-4o-mini" is not configured; a provider must offer it',
    ]);
  });

  test.each([
    ['a', [['a', 'a']], 'a -> a'],
    [
      'b',
      [
        ['a', 'b'],
        ['b', 'a'],
      ],
      'a -> b -> a',
    ],
    [
      'c',
      [
        ['a', 'b'],
        ['b', 'c'],
        ['c', 'b'],
      ],
      'b -> c -> b',
    ],
  ])('a circle of fallbacks that ends at %s', (_end, links, ring) => {
    const models = links.map(([id = '', to = '']) => model(id, `fallbacks: [${to}]`)).join('');
    expect(faultsOf(`${PROVIDERS}models:\n${models}`)).toEqual([
      expect.stringMatching(new RegExp(`fallbacks\\[0\\]: fallbacks form a cycle: ${ring}$`)),
    ]);
  });

  test('a circle through an alias', () => {
    const text = `${PROVIDERS}models:\n${model('a', 'fallbacks: [bee]')}${model('b', 'aliases: [bee], fallbacks: [a]')}`;
    expect(faultsOf(text)).toEqual([expect.stringContaining('a -> b -> a')]);
  });

  test('weights that add up to zero', () => {
    const zeroWeight = (strategy: string): string =>
      `models: [{ id: m, strategy: ${strategy}, targets: [{ provider: simulator, model: x, weight: 0 }] }]`;
    expect(faultsOf(zeroWeight('weighted'))).toEqual([
      '1:48 models[0].targets: the weights add up to 0, so no target can be selected',
    ]);
    expect(faultsOf(zeroWeight('round-robin'))).toEqual([
      '1:51 models[0].targets: every target has weight 0, so none can be selected',
    ]);
  });
});

describe('server', () => {
  test('credentials do not go with any origin', () => {
    expect(faultsOf('server: { cors: { origins: ["*"], allow_credentials: true } }')).toEqual([
      expect.stringContaining('server.cors.allow_credentials: cannot be true with the origin "*"'),
    ]);
  });

  test.each([
    'https://a.example/',
    'https://A.example',
    'https://a.example:443',
    'a.example',
    'null',
    'ftp://a',
  ])('the origin %s is refused', (name) => {
    expect(faultsOf(`server: { cors: { origins: ["${name}"] } }`)).toEqual([
      expect.stringContaining('server.cors.origins[0]: expected "*" or an origin as browsers send it'),
    ]);
  });

  test('a model has settings of the cache only where there is one', () => {
    const model =
      'models: [{ id: a, targets: [{ provider: simulator, model: simulator }], cache: { exact: { ttl: 1h } } }]';
    expect(faultsOf(model)).toEqual([
      expect.stringContaining('models[0].cache: requires the section "cache", such as "cache: {}"'),
    ]);
    expect(() => faultsOf(`cache: {}\n${model}`)).toThrow('the configuration was accepted');
  });

  test('two servers need two ports', () => {
    expect(faultsOf('server: { port: 81, metrics_port: 81 }')).toEqual([
      '1:35 server.metrics_port: must not be the same as server.port (81)',
    ]);
    expect(faultsOf('server: { port: 9090 }')).toEqual([
      '1:17 server.port: must not be the same as server.metrics_port (9090)',
    ]);
    expect(faultsOf('server: { grpc_port: 8080 }')).toEqual([
      '1:22 server.grpc_port: must not be the same as server.port (8080)',
    ]);
    expect(faultsOf('server: { grpc_port: 9090 }')).toEqual([
      '1:22 server.grpc_port: must not be the same as server.metrics_port (9090)',
    ]);
    expect(loadText('server: { port: 0, metrics_port: 0, grpc_port: 0 }').config.server.port).toBe(0);
    expect(loadText('server: { port: 9090, metrics_port: null }').config.server.metrics_port).toBeNull();
  });
});

describe('plugins', () => {
  test('have ids of their own, from their modules unless one is set', () => {
    const { plugins } = loadText(
      'plugins:\n  - module: ./a/Word_List.ts\n  - module: "@acme/weir-thing"\n  - module: ./b/index.mjs\n  - { module: ./b/index.mjs, id: other }\n',
    ).config;
    expect(plugins.map(({ id }) => id)).toEqual(['word-list', 'weir-thing', 'b', 'other']);
    expect(faultsOf('plugins: [{ module: ./a.ts }, { module: ./b/a.ts }]')).toEqual([
      '1:31 plugins[1]: duplicate id "a"; plugins[0] already has it; set "id"',
    ]);
    expect(faultsOf('plugins: [{ module: ./1.ts }]')).toEqual([
      expect.stringContaining('plugins[0].id: is required'),
    ]);
  });

  test('of models are there', () => {
    const text = (name: string) =>
      `${PROVIDERS}plugins: [{ module: ./router.ts }]\nmodels:\n${model('m', `strategy_plugin: ${name}`)}`;
    expect(loadText(text('router')).config.models[0]?.strategy_plugin).toBe('router');
    expect(faultsOf(text('ruoter'))).toEqual([
      expect.stringContaining('models[0].strategy_plugin: unknown plugin "ruoter" (did you mean "router"?)'),
    ]);
  });
});
