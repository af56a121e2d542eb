import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dependencyFiles, protoFiles, sourceFiles } from './release/files.mjs';
import { PUBLISHED_PATHS, publishedLock, publishedManifest, runtimeManifest } from './release/manifests.mjs';
import { packageMetadata, traceModules } from './release/module-graph.mjs';
import { joinSboms } from './release/sbom.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path) => readFileSync(join(root, path), 'utf8');
const manifest = JSON.parse(read('package.json'));
const lock = JSON.parse(read('package-lock.json'));

/** A folder with files, by path. */
function folderOf(files) {
  const folder = mkdtempSync(join(tmpdir(), 'weir-release-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

describe('the npm package', () => {
  const published = publishedManifest(manifest);

  test('has a scoped name, may be published, and runs no script', () => {
    expect(published.name).toMatch(/^@[\w-]+\/weir$/);
    for (const name of ['private', 'scripts', 'devDependencies', 'allowScripts']) {
      expect(published).not.toHaveProperty(name);
    }
    expect(published.dependencies).toEqual(manifest.dependencies);
  });

  test('contains what its commands and exports name, and what the launcher imports', () => {
    const contains = (path) =>
      path === 'package.json' || PUBLISHED_PATHS.some((one) => path === one || path.startsWith(`${one}/`));
    const named = [...Object.values(published.bin), ...Object.values(published.exports)].map((path) =>
      path.replace(/^\.\//, ''),
    );
    expect(named.filter((path) => !contains(path) || !existsSync(join(root, path)))).toEqual([]);
    const { files } = traceModules([join(root, 'bin/weir.mjs')]);
    expect([...files].map((path) => relative(root, path)).filter((path) => !contains(path))).toEqual([]);
  });

  test('fixes the versions of its dependencies for every system, and of no development', () => {
    const { name, packages } = publishedLock(lock);
    expect(name).toBe(published.name);
    expect(packages['']).not.toHaveProperty('devDependencies');
    const missing = Object.keys(manifest.dependencies).filter(
      (one) => !packages[`node_modules/${one}`]?.integrity,
    );
    expect(missing).toEqual([]);
    expect(packages['node_modules/@oven/bun-darwin-aarch64']?.optional).toBe(true);
    expect(packages).not.toHaveProperty(['node_modules/typescript']);
    expect(Object.values(packages).some(({ dev }) => dev)).toBe(false);
  });

  test('has sources and their data, and no tests', () => {
    const paths = sourceFiles(root).map((path) => relative(root, path));
    expect(paths).toEqual(
      expect.arrayContaining(['src/main.ts', 'src/guardrails/evaluation/labelled-set.jsonl']),
    );
    expect(paths.filter((path) => path.includes('.test.'))).toEqual([]);
  });
});

test('the build of the image gets every folder that packages contain, and the files that it reads itself', () => {
  const sent = read('.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1));
  const isSent = (path) => sent.some((one) => path === one || path.startsWith(`${one}/`));
  // Folders below dist are built from others.
  const packaged = PUBLISHED_PATHS.filter((path) => !path.startsWith('dist/'));
  const copied = [...read('Dockerfile').matchAll(/\b(?:console|deploy|guide|scripts)\/[\w./-]+/g)].map(
    ([path]) => path,
  );
  expect(copied.length).toBeGreaterThan(3);
  expect([...packaged, ...copied].filter((path) => !isSent(path.replace(/\/$/, '')))).toEqual([]);
  expect(protoFiles(root).map((path) => relative(root, path))).toContain('proto/weir/v1/inference.proto');
});

describe('the dependencies of images and archives', () => {
  const paths = dependencyFiles(root).map((path) => relative(root, path));
  const sizeOf = (prefix) =>
    paths
      .filter((path) => path.startsWith(prefix))
      .reduce((sum, path) => sum + statSync(join(root, path)).size, 0);

  test('have modules of each package that the gateway uses', () => {
    const code = sourceFiles(root)
      .filter((path) => path.endsWith('.ts'))
      .map((path) => readFileSync(path, 'utf8'))
      .join('\n');
    const isNamed = (name) => new RegExp(`['"\`]${name}[/'"\`]`).test(code);
    // The runtime is an executable, not a module.
    const wanted = Object.keys(manifest.dependencies).filter((name) => isNamed(name) && name !== 'bun');
    expect(wanted.length).toBeGreaterThan(20);
    expect(wanted.filter((name) => !paths.some((path) => path.startsWith(`node_modules/${name}/`)))).toEqual(
      [],
    );
    expect(paths).toContain('node_modules/swagger-ui-dist/swagger-ui-bundle.js');
    expect(paths.some((path) => /sqlite-vec-[\w-]+\/vec0\./.test(path))).toBe(true);
  });

  test('lack what no module loads: unused dialects, encodings, maps, types and development', () => {
    expect(sizeOf('node_modules/node-sql-parser/')).toBeLessThan(4_000_000);
    expect(sizeOf('node_modules/gpt-tokenizer/')).toBeLessThan(8_000_000);
    expect(sizeOf('node_modules/')).toBeLessThan(40_000_000);
    expect(
      paths.filter((path) => /\.map$|\.d\.[cm]?ts$|\/typescript\/|\/supports-color\//.test(path)),
    ).toEqual([]);
  });

  test('have the licence of each package that has one', () => {
    for (const name of ['zod', 'ioredis', 'jose']) {
      expect(paths.some((path) => new RegExp(`^node_modules/${name}/licen[cs]e`, 'i').test(path))).toBe(true);
    }
  });
});

describe('the trace of modules', () => {
  test('follows imports as the runtime resolves them, and reports those that lead nowhere', () => {
    const folder = folderOf({
      'main.ts': `import type { T } from 'types-only';
import { a } from './a.ts';
import 'node:fs';
const later = () => import('lazy');
export const used = [a, later, require('both')] satisfies unknown[];
const first = () => createRequire(import.meta.url)('first');
`,
      'a.ts': "export const a = 1;\nimport 'absent';\n",
      'unused.ts': '',
      'node_modules/lazy/package.json': '{"main":"index.js"}',
      'node_modules/lazy/index.js': "require('./part');",
      'node_modules/lazy/part.js': '',
      'node_modules/lazy/other.js': '',
      'node_modules/both/package.json': '{"exports":{"import":"./esm.mjs","require":"./cjs.cjs"}}',
      'node_modules/both/esm.mjs': '',
      'node_modules/both/cjs.cjs': '',
      'node_modules/both/LICENSE': 'MIT',
      'node_modules/first/package.json': '{"main":"index.js"}',
      'node_modules/first/index.js': '',
      'node_modules/types-only/package.json': '{}',
    });
    const { files, unresolved } = traceModules([join(folder, 'main.ts')]);
    const found = [...files].map((path) => relative(folder, path)).sort();
    expect(found).toEqual([
      'a.ts',
      'main.ts',
      'node_modules/both/cjs.cjs',
      'node_modules/first/index.js',
      'node_modules/lazy/index.js',
      'node_modules/lazy/part.js',
    ]);
    expect(unresolved).toEqual([{ specifier: 'absent', file: join(folder, 'a.ts') }]);
    const metadata = [...packageMetadata(files, folder)].map((path) => relative(folder, path)).sort();
    expect(metadata).toEqual([
      'node_modules/both/LICENSE',
      'node_modules/both/package.json',
      'node_modules/first/package.json',
      'node_modules/lazy/package.json',
    ]);
  });
});

test('the manifest beside the modules keeps what they import from it', () => {
  expect(runtimeManifest(manifest)).toMatchObject({
    version: manifest.version,
    exports: manifest.exports,
    type: 'module',
  });
});

test('the bill of materials lists components of gateway and console once', () => {
  const document = (name, components) => ({
    metadata: { component: { 'bom-ref': `${name}@1` } },
    components: components.map((one) => ({ 'bom-ref': one })),
    dependencies: [
      { ref: `${name}@1`, dependsOn: components },
      ...components.map((ref) => ({ ref, dependsOn: [] })),
    ],
  });
  const joined = joinSboms(document('weir', ['a@1', 'b@1']), document('console', ['b@1', 'c@1']));
  expect(joined.components.map((one) => one['bom-ref'])).toEqual(['a@1', 'b@1', 'console@1', 'c@1']);
  expect(joined.dependencies.map(({ ref }) => ref)).toEqual(['weir@1', 'a@1', 'b@1', 'console@1', 'c@1']);
  expect(joined.dependencies[0].dependsOn).toEqual(['a@1', 'b@1', 'console@1']);
});
