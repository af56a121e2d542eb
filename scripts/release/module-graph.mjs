// Finds the files of node_modules that a set of modules can load. Needs Bun: its resolver is the one of the gateway.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { dirname, extname, join, relative, sep } from 'node:path';

/** Extensions of files that import others, and how they are read. */
const LOADERS = { '.js': 'js', '.mjs': 'js', '.cjs': 'js', '.ts': 'ts', '.mts': 'ts', '.cts': 'ts' };

/** A synchronous import at first use, which no scanner of imports reports. */
const REQUIRED = /createRequire\(import\.meta\.url\)\(['"]([^'"]+)['"]\)/g;

/** @returns {string | undefined} path of the file, or undefined for a module of the runtime. Throws where there is none. */
function resolveImport({ path: specifier, kind }, file) {
  if (isBuiltin(specifier) || specifier === 'bun' || specifier.startsWith('bun:')) return undefined;
  const found =
    kind === 'require-call' || kind === 'require-resolve'
      ? createRequire(file).resolve(specifier)
      : Bun.resolveSync(specifier, dirname(file));
  // The runtime replaces some packages with its own: their result is no path.
  return found.startsWith(sep) ? found : undefined;
}

/**
 * Follows static imports, `import()` and `require()` of literal names from the entries. It keeps what a bundler would remove as
 * unused, because the runtime loads whole modules.
 * @param {string[]} entries absolute paths
 * @returns {{ files: Set<string>, unresolved: { specifier: string, file: string }[] }} files: absolute paths, entries included
 */
export function traceModules(entries) {
  const files = new Set(entries);
  const unresolved = [];
  // A set can grow while it is iterated: each file is visited once.
  for (const file of files) {
    const loader = LOADERS[extname(file)];
    if (loader === undefined) continue;
    const code = readFileSync(file, 'utf8').replace(/^#!.*/, '');
    const required = [...code.matchAll(REQUIRED)].map(([, path]) => ({ path, kind: 'require-call' }));
    for (const found of [...new Bun.Transpiler({ loader }).scanImports(code), ...required]) {
      try {
        const path = resolveImport(found, file);
        if (path !== undefined) files.add(path);
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        unresolved.push({ specifier: found.path, file });
      }
    }
  }
  return { files, unresolved };
}

/** Licence texts must accompany the code. */
const LEGAL = [
  'LICENSE',
  'LICENSE.md',
  'LICENSE.txt',
  'LICENCE',
  'license',
  'COPYING',
  'NOTICE',
  'NOTICE.txt',
];

/**
 * Manifests and licences that belong to files of packages: every package.json from a file's folder up to node_modules.
 * @param {Iterable<string>} files absolute paths
 * @param {string} root the folder that contains node_modules
 * @returns {Set<string>} absolute paths
 */
export function packageMetadata(files, root) {
  const found = new Set();
  const folders = new Set();
  for (const file of files) {
    for (let folder = dirname(file); ; folder = dirname(folder)) {
      const parts = relative(root, folder).split(sep);
      const above = parts.at(-1);
      if (!parts.includes('node_modules') || above === 'node_modules' || above.startsWith('@')) break;
      if (folders.has(folder)) break;
      folders.add(folder);
      for (const name of ['package.json', ...LEGAL]) {
        if (existsSync(join(folder, name))) found.add(join(folder, name));
      }
    }
  }
  return found;
}
