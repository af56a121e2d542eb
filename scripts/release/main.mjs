// Started by scripts/release.mjs, in the gateway's runtime.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { root } from '../setup.mjs';
import { buildDeb } from './deb.mjs';
import { writeSbom } from './sbom.mjs';
import { stagePackage, stageRuntime } from './stage.mjs';

const [target, path] = process.argv.slice(2);
const build = {
  package: () => stagePackage(root, path),
  runtime: () => stageRuntime(root, process.execPath, path),
  deb: () => buildDeb(root, process.execPath, path),
  sbom: () => {
    mkdirSync(dirname(path), { recursive: true });
    return writeSbom(root, path);
  },
}[target];
const built = await build();
console.log(built ?? path);
