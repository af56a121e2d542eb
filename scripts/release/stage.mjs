// Copies what is released into a folder.
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import {
  consoleFiles,
  dependencyFiles,
  guideFiles,
  launcherFiles,
  PROGRAM,
  programFiles,
  protoFiles,
  sourceFiles,
} from './files.mjs';
import { publishedLock, publishedManifest, runtimeManifest } from './manifests.mjs';

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
const writeJson = (path, value) => writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`);

/** The bundle finds data files, plugins' processes, the console and the guide beside the sources. */
const productFiles = (root) => [
  ...sourceFiles(root),
  ...programFiles(root),
  ...consoleFiles(root),
  ...guideFiles(root),
];

/** The maps of bundles are three times as large as the bundles, and not released. */
function withoutMap(path) {
  const text = readFileSync(path, 'utf8');
  const shortened = text.replace(/\n\/\/# sourceMappingURL=\S+\s*$/, '\n');
  if (shortened !== text) writeFileSync(path, shortened);
}

function copy(root, files, out) {
  for (const file of files) {
    const target = join(out, relative(root, file));
    mkdirSync(dirname(target), { recursive: true });
    // Links in node_modules become files.
    cpSync(file, target, { dereference: true });
    chmodSync(target, 0o644);
    if (target.includes(PROGRAM)) withoutMap(target);
  }
}

function emptyFolder(path) {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
}

/**
 * Stages the npm package.
 * @param {string} root the checkout, with a built console and guide
 * @param {string} out is emptied
 */
export function stagePackage(root, out) {
  const texts = ['README.md', 'LICENSE'].map((name) => join(root, name));
  emptyFolder(out);
  copy(root, [...productFiles(root), ...launcherFiles(root), ...protoFiles(root), ...texts], out);
  chmodSync(join(out, 'bin/weir.mjs'), 0o755);
  writeJson(join(out, 'package.json'), publishedManifest(readJson(join(root, 'package.json'))));
  writeJson(join(out, 'npm-shrinkwrap.json'), publishedLock(readJson(join(root, 'package-lock.json'))));
}

/**
 * Stages the gateway with its runtime and the files of its dependencies that it can load: it starts without Node and npm.
 * @param {string} root the checkout, with installed dependencies, a built console and guide
 * @param {string} bun path of the runtime
 * @param {string} out is emptied
 */
export function stageRuntime(root, bun, out) {
  emptyFolder(out);
  copy(
    root,
    [...productFiles(root), ...dependencyFiles(root), ...protoFiles(root), join(root, 'LICENSE')],
    out,
  );
  writeJson(join(out, 'package.json'), runtimeManifest(readJson(join(root, 'package.json'))));
  cpSync(bun, join(out, 'bun'), { dereference: true });
  chmodSync(join(out, 'bun'), 0o755);
}
