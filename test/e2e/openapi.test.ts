import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { generate, HttpClient } from 'openapi-typescript-codegen';
import { CONFIG_CATALOG } from '../../src/app/config-catalog.ts';
import { createGateway } from '../../src/app/gateway.ts';
import { configWithoutFile } from '../../src/config/without-file.ts';
import { systemClock } from '../../src/core/clock.ts';
import { isRecord } from '../../src/core/json.ts';
import { createLog } from '../../src/observability/log.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { asObject, type Json } from './helpers/json.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-openapi-'));
let gateway: Gateway;
let document: Json;
beforeAll(async () => {
  gateway = await startGateway();
  document = asObject(await (await fetch(`${gateway.url}/openapi.json`)).json());
});
afterAll(async () => {
  await gateway?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Every object in a value, with its JSON pointer. */
function* objectsIn(value: unknown, pointer = '#'): Generator<readonly [string, Json]> {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield* objectsIn(item, `${pointer}/${index}`);
  } else if (isRecord(value)) {
    yield [pointer, value];
    for (const [key, inner] of Object.entries(value)) {
      yield* objectsIn(inner, `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`);
    }
  }
}

describe('the OpenAPI document', () => {
  test('conforms to the specification, and its references resolve', async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(structuredClone(document));
    expect(errors).toBeUndefined();
    expect(valid).toBe(true);
    expect(() => validator.resolveRefs()).not.toThrow();
  });

  test('has schemas that compile, and defaults and examples that they accept', () => {
    const ajv = new Ajv2020({ strict: false, allErrors: true, unicodeRegExp: true });
    addFormats(ajv);
    ajv.addSchema({ $id: 'https://weir.test/openapi', ...document });
    const wrong: unknown[] = [];
    let compiled = 0;
    for (const [pointer, schema] of objectsIn(document)) {
      if (typeof schema.pattern === 'string' && new RegExp(schema.pattern, 'u').source === '')
        wrong.push(pointer);
      const isSchema = /^#\/components\/schemas\/[^/]+$|\/schema$/.test(pointer);
      const given = ['default', 'example'].filter((key) => key in schema);
      const isExampleOf = /\/(?:properties|example|default)\/?(?:default|example)?$/.test(pointer);
      if (!isSchema && (given.length === 0 || isExampleOf)) continue;
      const accepts = ajv.compile({ $ref: `https://weir.test/openapi${pointer}` });
      compiled += 1;
      for (const key of given) {
        if (!accepts(schema[key])) wrong.push([pointer, key, schema[key], ajv.errorsText(accepts.errors)]);
      }
    }
    expect(wrong).toEqual([]);
    expect(compiled).toBeGreaterThan(100);
  });

  test('describes whole numbers in queries as numbers', () => {
    const paths = asObject(document.paths);
    const { get } = asObject(paths['/admin/v1/tenants']);
    expect(asObject(get).parameters).toContainEqual(
      expect.objectContaining({
        name: 'limit',
        in: 'query',
        schema: { type: 'integer', minimum: 1, maximum: 200, default: 50 },
      }),
    );
  });

  test('describes errors in the form of their endpoint', async () => {
    const schemas = asObject(asObject(document.components).schemas);
    const ajv = new Ajv2020({ strict: false });
    for (const [path, name] of [
      ['/v1/messages', 'AnthropicError'],
      ['/v1/chat/completions', 'Error'],
    ] as const) {
      const response = await fetch(`${gateway.url}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
        body: '{}',
      });
      const post = asObject(asObject(asObject(document.paths)[path]).post);
      expect(JSON.stringify(asObject(post.responses)['400'])).toContain(
        name === 'Error' ? '#/components/responses/Error' : `#/components/schemas/${name}`,
      );
      const body: unknown = await response.json();
      expect([path, response.status, ajv.validate(asObject(schemas[name]), body)]).toEqual([path, 400, true]);
    }
  });

  /** Routes for browsers: pages with their files, and redirects. */
  const FOR_BROWSERS = [
    '/',
    '/console',
    '/console/assets/:name',
    '/console/:page{.*}',
    '/favicon.ico',
    '/docs',
    '/docs/start.js',
    '/docs/swagger-ui.css',
    '/docs/swagger-ui-bundle.js',
    '/docs/guide',
    '/docs/guide/:path{.*}',
    '/llms.txt',
    '/v1/auth/oidc/:provider',
    '/v1/auth/oidc/:provider/callback',
    '/login/:provider',
    '/auth/callback/:provider',
  ];

  test('contains every route, and no other', async () => {
    const env = {
      WEIR_ADMIN_KEY: 'openapi-admin-key-0123456789abcdef',
      WEIR_DATA_DIR: join(folder, 'data'),
      WEIR_DETECT_ENGINES: '0',
    };
    const inProcess = await createGateway({
      env,
      loaded: configWithoutFile({ env, cwd: folder, catalog: CONFIG_CATALOG }),
      clock: systemClock,
      log: createLog({ level: 'silent', format: 'json', colour: false, wallTime: () => 0 }),
      version: '0.0.0',
    });
    const routes = await inProcess.router.routes();
    await inProcess.close();
    const served = routes
      .filter(({ path }) => !FOR_BROWSERS.includes(path))
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)(?:\{[^}]*\})?/g, '{$1}')}`);
    const described = Object.entries(asObject(document.paths)).flatMap(([path, item]) =>
      Object.keys(asObject(item)).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.sort()).toEqual(served.sort());
  });
});

describe('a client that is generated from the document', () => {
  const client = join(folder, 'client');

  beforeAll(async () => {
    await generate({
      input: structuredClone(document),
      output: client,
      httpClient: HttpClient.FETCH,
      useOptions: true,
      useUnionTypes: true,
    });
  });

  test('compiles', () => {
    const use = readFileSync(join(import.meta.dir, 'helpers/generated-client.ts.txt'), 'utf8');
    writeFileSync(join(folder, 'use.ts'), use);
    const compilerOptions = {
      ...{ strict: true, noEmit: true, target: 'es2022', module: 'esnext', moduleResolution: 'bundler' },
      ...{ lib: ['es2023', 'dom', 'dom.iterable'], types: [], allowImportingTsExtensions: true },
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['.'] }));
    const tsc = join(import.meta.dir, '../../node_modules/typescript/bin/tsc');
    const { status, stdout } = spawnSync('node', [tsc, '-p', folder], { encoding: 'utf8' });
    expect(stdout).toBe('');
    expect(status).toBe(0);
    expect(readdirSync(join(client, 'services')).length).toBeGreaterThan(5);
  }, 60_000);

  test('runs', () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--no-env-file', '--no-install', join(folder, 'use.ts'), gateway.url, gateway.adminKey],
      { encoding: 'utf8' },
    );
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      health: 'ok',
      models: true,
      answer: 'simulator',
      anthropic: 'message',
      tenant: 'generated',
      keys: ['app'],
      usage: 'usage',
      rejected: 404,
    });
    expect(status).toBe(0);
  }, 30_000);
});
