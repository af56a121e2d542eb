// Builds the guide, the pages of `docs` as a site, when they have changed. A released package contains the built one.
//   node scripts/guide.mjs
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BuiltFolder } from './built-folder.mjs';

const built = new BuiltFolder('guide', ['guide/build.js', 'guide/src', 'docs', 'README.md']);
const own = fileURLToPath(import.meta.url);

/** Builds the guide if it is not current. @returns whether a current guide is there */
export const buildGuide = () => built.build(process.execPath, process.env, join(built.folder, 'build.js'));

/** Builds it in a process of its own, so that the gateway does not wait for pages that no client has asked for. */
export function buildGuideBeside() {
  if (built.isCurrent()) return;
  // A shell that ends at once: the process that becomes the gateway is then no parent that would have to wait for it.
  const [file, ...args] =
    process.platform === 'win32'
      ? [process.execPath, own]
      : ['sh', '-c', '"$@" &', 'sh', process.execPath, own];
  const options = { stdio: ['ignore', 2, 2] };
  if (process.platform === 'win32') spawn(file, args, options).unref();
  else spawnSync(file, args, options);
}

if (process.argv[1] === own) process.exit(buildGuide() ? 0 : 1);
