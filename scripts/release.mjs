// Builds what is released:
//   package [folder]   the npm package (default: dist/package)
//   runtime [folder]   the gateway with its runtime, for images and archives (default: dist/runtime)
//   deb [folder]       the Debian package (default: dist)
//   sbom [file]        the software bill of materials, CycloneDX (default: dist/sbom.cdx.json)
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { buildConsole } from './console.mjs';
import { buildGuide } from './guide.mjs';
import { bundleProgram, RELEASED } from './program.mjs';
import { root, runtimeEnvironment, setUp } from './setup.mjs';

const TARGETS = { package: 'dist/package', runtime: 'dist/runtime', deb: 'dist', sbom: 'dist/sbom.cdx.json' };
const [target, out] = process.argv.slice(2);
if (target === undefined || !Object.hasOwn(TARGETS, target)) {
  console.error(`Name what to build: ${Object.keys(TARGETS).join(', ')}.`);
  process.exit(2);
}
const bun = setUp();
if (target !== 'sbom' && !(buildConsole(bun) && buildGuide() && bundleProgram(bun, RELEASED)))
  process.exit(1);
const path = out === undefined ? join(root, TARGETS[target]) : resolve(out);
// The trace of modules needs the gateway's own resolver.
const { status } = spawnSync(bun, [join(root, 'scripts/release/main.mjs'), target, path], {
  cwd: root,
  stdio: ['ignore', 'inherit', 'inherit'],
  env: runtimeEnvironment(),
});
process.exit(status ?? 1);
