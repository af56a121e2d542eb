// The files that packages, images and archives contain.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { packageMetadata, traceModules } from './module-graph.mjs';

/** Packages that are optional for their users, and that Weir does without. */
const ABSENT = new Set(['pg-native', 'pg-cloudflare', 'supports-color']);
/** Files that the gateway finds by their names at run time instead of importing them. */
const RESOLVED_AT_RUN_TIME = [
  'dejavu-fonts-ttf/ttf/DejaVuSansCondensed-Bold.ttf',
  'dejavu-fonts-ttf/ttf/DejaVuSansCondensed.ttf',
  'swagger-ui-dist/swagger-ui-bundle.js',
  'swagger-ui-dist/swagger-ui.css',
];
/** Packages with one file for each system, of which npm has installed one. */
const NATIVE = [{ prefix: 'sqlite-vec-', file: /^vec0\.(?:so|dylib|dll)$/ }];

const filesBelow = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

/** Files of `src` that the gateway needs: everything but tests. */
export const sourceFiles = (root) =>
  filesBelow(join(root, 'src')).filter((path) => !/\.test\.ts$/.test(path));

/** The files from which clients of gRPC are generated. */
export const protoFiles = (root) => filesBelow(join(root, 'proto')).filter((path) => path.endsWith('.proto'));

/** The launcher, and the scripts that it imports. */
export const launcherFiles = (root) => [...traceModules([join(root, 'bin/weir.mjs')]).files];

/** Path of the bundled program of a release, in the checkout and in everything that is released. */
export const PROGRAM = 'dist/program/released';

/**
 * The bundled program, without the maps of its sources.
 * @throws {Error} it is not built
 */
export function programFiles(root) {
  const folder = join(root, PROGRAM);
  if (!existsSync(join(folder, 'main.js')))
    throw new Error(`The program is not bundled: ${PROGRAM} has no main.js.`);
  return filesBelow(folder).filter((path) => !path.endsWith('.map'));
}

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
 * The built guide.
 * @throws {Error} it is not built
 */
export function guideFiles(root) {
  const folder = join(root, 'guide/dist');
  if (!existsSync(join(folder, 'index.html')))
    throw new Error('The guide is not built: guide/dist has no index.html.');
  return filesBelow(folder);
}

/** The package of a file, as lockfiles name it: `node_modules/a/node_modules/@b/c`. */
const packageOf = (path) =>
  /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path.replaceAll('\\', '/'))?.[0];

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
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  // A checkout also has packages of development, which optional imports find.
  const isShipped = (path) => packages[packageOf(relative(root, path))]?.dev !== true;
  const used = [...files].filter((path) => path.startsWith(join(folder, '/')) && isShipped(path));
  return [...new Set([...used, ...packageMetadata(used, root)])].sort();
}
