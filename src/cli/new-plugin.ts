import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PartKind } from '../plugins/manifest.ts';
import { CommandError, type Output } from './output.ts';

interface NewPluginTools {
  readonly output: Output;
  readonly cwd: string;
}

const NAME = /^[a-z][a-z0-9-]{0,63}$/;
const CONTRACT = fileURLToPath(new URL('../plugins/contract.ts', import.meta.url));

/** `weir plugins new`. @throws CommandError for a folder that exists, or a name that cannot be one */
export function newPlugin(path: string, kind: PartKind, { output, cwd }: NewPluginTools): void {
  const folder = resolve(cwd, path);
  const name = basename(folder);
  if (!NAME.test(name)) {
    throw new CommandError(
      `"${name}" cannot be the name of a plugin: use lower-case letters, digits and "-", beginning with a letter.`,
    );
  }
  if (existsSync(folder)) throw new CommandError(`${folder} exists. Choose another name, or remove it.`);
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of Object.entries(skeleton(name, kind))) writeFileSync(join(folder, file), text);
  const shown = relative(cwd, folder) || folder;
  const module = shown.startsWith('..') || shown.startsWith('/') ? shown : `./${shown}`;
  output.out(
    [
      `Wrote a plugin into ${shown}.`,
      '',
      `Test it:       weir plugins test ${shown}`,
      'Configure it:  plugins:',
      `                 - { module: ${module}/index.ts }`,
      ...usage(kind, name).map((line) => `               ${line}`),
      'Check it:      weir plugins check',
    ].join('\n'),
  );
}

function usage(kind: PartKind, name: string): readonly string[] {
  if (kind === 'guardrail') {
    return ['guardrails:', `  - { id: ${name}, kind: plugin, plugin: ${name}, action: block }`];
  }
  return kind === 'strategy' ? [`models: [{ ..., strategy_plugin: ${name} }]`] : [];
}

/** The files of a plugin by name. */
export function skeleton(name: string, kind: PartKind): Readonly<Record<string, string>> {
  const { part, test } = PARTS[kind];
  return {
    'index.ts': `import type { Plugin } from 'weir/plugin';

interface Config {
  readonly word: string;
}

export default {
  apiVersion: 1,
  name: '${name}',
  version: '0.1.0',
  description: 'Says what it does.',
  config: {
    type: 'object',
    properties: {
      word: { type: 'string', minLength: 1, default: 'example', description: 'The word that it acts on.' },
    },
    additionalProperties: false,
  },
  setup({ word }, host) {
    return {
${part}
    };
  },
} satisfies Plugin<Config>;
`,
    'index.test.ts': `import assert from 'node:assert/strict';
import { test } from 'node:test';
import plugin from './index.ts';

const host = { id: '${name}', log: () => undefined, count: () => undefined };
const parts = plugin.setup({ word: 'example' }, host);

${test}
`,
    'package.json': `${JSON.stringify({ name, version: '0.1.0', private: true, type: 'module', main: 'index.ts', scripts: { test: 'node --test' } }, null, 2)}\n`,
    'tsconfig.json': `${JSON.stringify(
      {
        compilerOptions: {
          ...{ target: 'ES2024', module: 'NodeNext', strict: true, noEmit: true, skipLibCheck: true },
          allowImportingTsExtensions: true,
        },
        include: ['*.ts'],
      },
      null,
      2,
    )}\n`,
    'weir-plugin.d.ts': declarations(),
  };
}

/** The contract as the module \`weir/plugin\`, so that the plugin is checked without an installation. */
function declarations(): string {
  const contract = readFileSync(CONTRACT, 'utf8').trimEnd();
  const body = contract
    .split('\n')
    .map((line) => (line === '' ? '' : `  ${line}`))
    .join('\n');
  return `declare module 'weir/plugin' {\n${body}\n}\n`;
}

interface PartText {
  readonly part: string;
  readonly test: string;
}

const FACTS =
  "const facts = { id: '', operation: 'chat', model: 'chat', stream: false, tenant: 'default', tags: [], headers: {} } as const;";

const PARTS: Readonly<Record<PartKind, PartText>> = {
  interceptor: {
    part: `      interceptor: {
        request({ texts }) {
          const found = texts.some(({ text }) => text.includes(word));
          if (found) host.count('found');
          return { headers: { 'x-found': String(found) } };
        },
        response({ texts }) {
          return {
            texts: texts.map(({ text }, index) => ({ index, text: text.replaceAll(word, word.toUpperCase()) })),
          };
        },
      },`,
    test: `${FACTS}

test('reports the word in a header', () => {
  const request = { ...facts, texts: [{ kind: 'input', text: 'an example' }] } as const;
  assert.deepEqual(parts.interceptor.request(request), { headers: { 'x-found': 'true' } });
});

test('writes the word in capitals', () => {
  const response = { ...facts, texts: [{ kind: 'output', text: 'an example' }], usage: {} } as const;
  assert.deepEqual(parts.interceptor.response(response), { texts: [{ index: 0, text: 'an EXAMPLE' }] });
});`,
  },
  guardrail: {
    part: `      guardrail: {
        check({ texts }) {
          const findings = texts.flatMap(({ text }) => (text.includes(word) ? [{ kind: 'word' }] : []));
          if (findings.length > 0) host.count('found', findings.length);
          return { findings, texts: texts.map(({ text }) => text.replaceAll(word, '[WORD]')) };
        },
      },`,
    test: `test('finds and replaces the word', () => {
  const texts = [{ direction: 'input', role: 'user', text: 'an example' }] as const;
  const check = { id: '', tenant: 'default', model: 'chat', texts };
  assert.deepEqual(parts.guardrail.check(check), { findings: [{ kind: 'word' }], texts: ['an [WORD]'] });
});`,
  },
  sink: {
    part: `      sink: {
        events: ['config.reloaded', 'provider.health_changed'],
        handle(events) {
          for (const { name, data } of events) host.log('info', \`\${word}: \${name} \${JSON.stringify(data)}\`);
        },
      },`,
    test: `test('logs each event', () => {
  const lines: string[] = [];
  const logging = { ...host, log: (_: string, line: string) => void lines.push(line) };
  const { sink } = plugin.setup({ word: 'example' }, logging);
  sink.handle([{ name: 'config.reloaded', at: 0, data: { file: 'weir.yaml' } }]);
  assert.deepEqual(lines, ['example: config.reloaded {"file":"weir.yaml"}']);
  assert.ok(parts.sink);
});`,
  },
  strategy: {
    part: `      strategy: {
        order({ headers, targets }) {
          const wanted = headers['x-provider'] ?? word;
          const order = targets.flatMap(({ provider }, index) => (provider === wanted ? [index] : []));
          if (order.length === 0) host.count('unmatched');
          return { order };
        },
      },`,
    test: `${FACTS}
const targets = ['first', 'second'].map((provider) => ({ provider, model: 'm', weight: 1, tier: 0 }));

test('prefers the provider of the header', () => {
  const selection = { ...facts, headers: { 'x-provider': 'second' }, targets };
  assert.deepEqual(parts.strategy.order(selection), { order: [1] });
});

test('leaves other requests to the strategy of the model', () => {
  assert.deepEqual(parts.strategy.order({ ...facts, targets }), { order: [] });
});`,
  },
};
