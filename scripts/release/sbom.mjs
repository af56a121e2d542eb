// The software bill of materials: packages of the gateway, and those that the console and the guide are built from.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../verify-deploy/lib/process.mjs';
import { publishedLock, publishedManifest } from './manifests.mjs';

/** The bill of materials of a manifest and its lockfile; nothing has to be installed. */
async function npmSbom(manifest, lock) {
  const folder = mkdtempSync(join(tmpdir(), 'weir-sbom-'));
  try {
    // npm lists no package while the range of a peer is violated, which changes nothing of what is shipped.
    const packages = Object.fromEntries(
      Object.entries(lock.packages).map(([path, { peerDependencies: _, ...entry }]) => [path, entry]),
    );
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
    writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ ...lock, packages }));
    const flags = ['--sbom-format=cyclonedx', '--sbom-type=application', '--package-lock-only'];
    const sbom = JSON.parse((await run(['npm', 'sbom', ...flags], { cwd: folder })).stdout);
    // It takes the name from the folder.
    sbom.metadata.component.name = manifest.name;
    return sbom;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Joins two documents of `npm sbom`: components that both have are listed once.
 * @param {{ metadata: object, components: { 'bom-ref': string }[], dependencies: { ref: string }[] }} gateway
 * @param {{ metadata: object, components: { 'bom-ref': string }[], dependencies: { ref: string }[] }} part the console or the guide
 */
export function joinSboms(gateway, part) {
  const own = gateway.metadata.component;
  const partRoot = part.metadata.component;
  const references = new Set(gateway.components.map((one) => one['bom-ref']));
  const added = [partRoot, ...part.components].filter((one) => !references.has(one['bom-ref']));
  const refs = new Set(gateway.dependencies.map(({ ref }) => ref));
  const dependencies = gateway.dependencies.map((one) =>
    one.ref === own['bom-ref'] ? { ...one, dependsOn: [...(one.dependsOn ?? []), partRoot['bom-ref']] } : one,
  );
  return {
    ...gateway,
    components: [...gateway.components, ...added],
    dependencies: [...dependencies, ...part.dependencies.filter(({ ref }) => !refs.has(ref))],
  };
}

/** @returns {Promise<string>} the path */
export async function writeSbom(root, path) {
  const read = (name) => JSON.parse(readFileSync(join(root, name), 'utf8'));
  // Without development: `npm sbom --omit=dev` would leave out packages that development uses as well.
  const gateway = publishedManifest(read('package.json'));
  const { version } = gateway;
  let sbom = await npmSbom(gateway, publishedLock(read('package-lock.json')));
  for (const part of ['console', 'guide']) {
    const manifest = { ...read(`${part}/package.json`), version };
    sbom = joinSboms(sbom, await npmSbom(manifest, read(`${part}/package-lock.json`)));
  }
  writeFileSync(path, `${JSON.stringify(sbom, undefined, 2)}\n`);
  return path;
}
