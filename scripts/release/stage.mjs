// Copies what is released into a folder.
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { consoleFiles, dependencyFiles, sourceFiles } from './files.mjs';
import { publishedLock, publishedManifest, runtimeManifest } from './manifests.mjs';

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
const writeJson = (path, value) => writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`);

function copy(root, files, out) {
  for (const file of files) {
    const target = join(out, relative(root, file));
    mkdirSync(dirname(target), { recursive: true });
    // Links in node_modules become files.
    cpSync(file, target, { dereference: true });
    chmodSync(target, 0o644);
  }
}

function emptyFolder(path) {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
}

/**
 * Stages the npm package.
 * @param {string} root the checkout, with a built console
 * @param {string} out is emptied
 */
export function stagePackage(root, out) {
  const files = ['README.md', 'LICENSE', 'bin/weir.mjs', 'scripts/setup.mjs', 'scripts/console.mjs'];
  emptyFolder(out);
  copy(root, [...sourceFiles(root), ...consoleFiles(root), ...files.map((name) => join(root, name))], out);
  chmodSync(join(out, 'bin/weir.mjs'), 0o755);
  writeJson(join(out, 'package.json'), publishedManifest(readJson(join(root, 'package.json'))));
  writeJson(join(out, 'npm-shrinkwrap.json'), publishedLock(readJson(join(root, 'package-lock.json'))));
}

/**
 * Stages the gateway with its runtime and the files of its dependencies that it can load: it starts without Node and npm.
 * @param {string} root the checkout, with installed dependencies and a built console
 * @param {string} bun path of the runtime
 * @param {string} out is emptied
 */
export function stageRuntime(root, bun, out) {
  emptyFolder(out);
  const files = [
    ...sourceFiles(root),
    ...consoleFiles(root),
    ...dependencyFiles(root),
    join(root, 'LICENSE'),
  ];
  copy(root, files, out);
  writeJson(join(out, 'package.json'), runtimeManifest(readJson(join(root, 'package.json'))));
  cpSync(bun, join(out, 'bun'), { dereference: true });
  chmodSync(join(out, 'bun'), 0o755);
}
