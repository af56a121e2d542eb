// The files that packages, images and archives contain.

import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageMetadata, traceModules } from './module-graph.mjs';

/** Packages that are optional for their users, and that Weir does without. */
const ABSENT = new Set(['pg-native', 'pg-cloudflare']);
/** Files that the gateway finds by `import.meta.resolve` instead of importing them. */
const RESOLVED_AT_RUN_TIME = ['swagger-ui-dist/swagger-ui.css', 'swagger-ui-dist/swagger-ui-bundle.js'];
/** Packages with one file for each system, of which npm has installed one. */
const NATIVE = [{ prefix: 'sqlite-vec-', file: /^vec0\.(?:so|dylib|dll)$/ }];

const filesBelow = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

/** Files of `src` that the gateway needs: everything but tests. */
export const sourceFiles = (root) =>
  filesBelow(join(root, 'src')).filter((path) => !/\.test\.ts$/.test(path));

/**
 * The built console.
 * @throws {Error} it is not built
 */
export function consoleFiles(root) {
  const folder = join(root, 'console/dist');
  if (!existsSync(join(folder, 'index.html')))
    throw new Error('The console is not built: console/dist has no index.html.');
  return filesBelow(folder);
}

/**
 * Files of node_modules that the gateway can load.
 * @throws {Error} a module imports a package that is not installed
 */
export function dependencyFiles(root) {
  const require = createRequire(join(root, 'package.json'));
  const entries = [...sourceFiles(root), ...RESOLVED_AT_RUN_TIME.map((name) => require.resolve(name))];
  const { files, unresolved } = traceModules(entries);
  const missing = unresolved.filter(({ specifier }) => !ABSENT.has(specifier));
  if (missing.length > 0) {
    const list = missing.map(({ specifier, file }) => `${specifier} in ${file}`).join('\n');
    throw new Error(`Imports that lead to no file:\n${list}`);
  }
  const folder = join(root, 'node_modules');
  for (const { prefix, file } of NATIVE) {
    for (const name of readdirSync(folder).filter((one) => one.startsWith(prefix))) {
      for (const found of readdirSync(join(folder, name)).filter((one) => file.test(one))) {
        files.add(join(folder, name, found));
      }
    }
  }
  const used = [...files].filter((path) => path.startsWith(join(folder, '/')));
  return [...new Set([...used, ...packageMetadata(used, root)])].sort();
}
