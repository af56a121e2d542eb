import { describe, expect, test } from 'bun:test';
import { faultsOf, loadText } from '../../test/support/config-source.ts';
import { isSecretReference, parseSecretReference } from './secret-reference.ts';

test.each([
  ['vault://secret/team/weir?version=3#openai', ['secret', 'team', 'weir'], { version: '3' }, 'openai'],
  ['aws-sm://prod/weir', ['prod/weir'], {}, undefined],
  [
    'aws-sm://arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/weir-AbCdEf?stage=AWSPREVIOUS#key',
    ['arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/weir-AbCdEf'],
    { stage: 'AWSPREVIOUS' },
    'key',
  ],
  ['gcp-sm://acme/weir', ['acme', 'weir'], {}, undefined],
  [
    'gcp-sm://projects/acme/secrets/weir/versions/7',
    ['projects', 'acme', 'secrets', 'weir', 'versions', '7'],
    {},
    undefined,
  ],
  ['azure-kv://acme/weir#key', ['acme', 'weir'], {}, 'key'],
  ['k8s://weir/keys#tls.key', ['weir', 'keys'], {}, 'tls.key'],
  ['file:///run/secrets/a%20b', ['/run/secrets/a b'], {}, undefined],
  ['env://OPENAI_API_KEY', ['OPENAI_API_KEY'], {}, undefined],
])('%s', (text, parts, options, key) => {
  expect(parseSecretReference(text)).toMatchObject({ text, parts, options, key });
});

test.each([
  ['vault://secret#key', 'needs a mount and a path'],
  ['vault://secret/../x#key', 'malformed path'],
  ['vault://secret//x#key', 'empty or malformed path'],
  ['vault://secret/x#', 'empty or malformed key'],
  ['vault://secret/x?stage=a#key', 'unknown or empty option "stage"'],
  ['aws-sm://a b', 'spaces or characters beyond ASCII'],
  ['gcp-sm://acme', 'needs a project and a secret'],
  ['azure-kv://acme/a_b', 'invalid name'],
  ['k8s://weir/keys', 'needs a key'],
  ['file://relative', 'needs an absolute path'],
  ['env://NOT-A-NAME', 'needs the name'],
  [`vault://secret/${'x'.repeat(3_000)}#key`, 'longer than 2048'],
  ['vault://secret/%zz#key', 'malformed path'],
])('%s is malformed', (text, fault) => {
  expect(isSecretReference(text)).toBe(true);
  expect(parseSecretReference(text)).toMatchObject({ fault: expect.stringContaining(fault) });
});

describe('in a configuration', () => {
  const text = `
storage: { database_url: 'vault://secret/weir#database' }
providers:
  - id: one
    kind: openai-compatible
    base_url: http://host/v1
    api_key: vault://secret/weir#openai
    headers: { x-key: 'env://X_KEY' }
plugins: [{ module: ./p.ts, config: { nested: { token: 'file:///run/token' } } }]
mail: { host: mail, user: 'aws-sm://mail#user', password: 'aws-sm://mail#password', from: a@b.example }
`;
  const loaded = loadText(text);

  test('references stay where they are until their secrets are given', () => {
    expect(loaded.config.storage.database_url).toBe('vault://secret/weir#database');
    expect(loaded.config.providers?.[0]?.api_key).toBe('vault://secret/weir#openai');
    expect(loaded.secretUses.map(({ path }) => path.join('.'))).toEqual([
      'storage.database_url',
      'providers.0.api_key',
      'providers.0.headers.x-key',
      'plugins.0.config.nested.token',
      'mail.user',
      'mail.password',
    ]);
    const config = loaded.withSecrets(
      new Map([
        ['vault://secret/weir#database', 'postgres://weir:pw@db/weir'],
        ['vault://secret/weir#openai', 'sk-1'],
        ['file:///run/token', 'a token'],
      ]),
    );
    expect(config.storage.database_url).toBe('postgres://weir:pw@db/weir');
    expect(config.providers?.[0]?.api_key).toBe('sk-1');
    expect(config.plugins[0]?.config).toEqual({ nested: { token: 'a token' } });
    // The loaded configuration, which may be shown, has no secret.
    expect(JSON.stringify(loaded.config)).not.toMatch(/sk-1|:pw@|a token/);
  });

  test('a secret that is not valid at its place is an error that shows the place, not the secret', () => {
    const given = new Map([['vault://secret/weir#database', 'mysql://root:hunter2@db/x']]);
    expect(() => loaded.withSecrets(given)).toThrow(
      /weir\.yaml:2:\d+ {2}storage\.database_url: "mysql:" is not supported/,
    );
    expect(() => loaded.withSecrets(given)).not.toThrow(/hunter2/);
    const spaced = new Map([['vault://secret/weir#openai', 'two words']]);
    expect(() => loaded.withSecrets(spaced)).toThrow(/providers\[0\]\.api_key: must be one line/);
  });

  test('malformed references and references that are no secrets are errors', () => {
    expect(faultsOf('providers: [{ id: a, kind: mistral, api_key: "vault://x#k" }]')).toEqual([
      '1:46 providers[0].api_key: the secret reference needs a mount and a path; expected vault://mount/path#key',
    ]);
    expect(faultsOf('default_model: vault://secret/weir#model')).toContain(
      '1:16 default_model: takes no secret reference: it is not a secret',
    );
    expect(faultsOf('secrets: { vault: { token: "aws-sm://weir#vault" } }')).toEqual([
      '1:28 secrets.vault.token: a credential for a secret store is given as file:// or env://',
    ]);
  });

  test('references of the admin API must be allowed, unless the file has them', () => {
    const provider = (api_key: string, id = 'two') => [
      { section: 'providers' as const, id, document: { id, kind: 'mistral', api_key } },
    ];
    expect(loaded.withOverlay(provider('vault://secret/other#key')).secretUses.length).toBe(7);
    expect(() => loaded.withOverlay(provider('env://WEIR_SECRET'))).toThrow(/not allowed here/);
    expect(() => loaded.withOverlay(provider('file:///etc/shadow'))).toThrow(/secrets\.admin_references/);
    expect(loaded.withOverlay(provider('env://X_KEY')).config.providers?.[1]?.api_key).toBe('env://X_KEY');
    const strict = loadText('secrets: { admin_references: ["vault://secret/weir/"] }\nproviders: []');
    expect(() => strict.withOverlay(provider('vault://secret/other#key'))).toThrow(/not allowed/);
    expect(strict.withOverlay(provider('vault://secret/weir/a#key')).secretUses.length).toBe(1);
  });
});
