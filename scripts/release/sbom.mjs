// The software bill of materials: packages of the gateway, and those that the console is built from.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../verify-deploy/lib/process.mjs';
import { PUBLISHED_NAME } from './manifests.mjs';

async function npmSbom(folder) {
  const flags = ['--sbom-format=cyclonedx', '--sbom-type=application', '--omit=dev', '--package-lock-only'];
  return JSON.parse((await run(['npm', 'sbom', ...flags], { cwd: folder })).stdout);
}

/**
 * Joins two documents of `npm sbom`: components that both have are listed once.
 * @param {{ metadata: object, components: { 'bom-ref': string }[], dependencies: { ref: string }[] }} gateway
 * @param {{ metadata: object, components: { 'bom-ref': string }[], dependencies: { ref: string }[] }} console
 */
export function joinSboms(gateway, console) {
  const own = gateway.metadata.component;
  const consoleRoot = console.metadata.component;
  const references = new Set(gateway.components.map((one) => one['bom-ref']));
  const added = [consoleRoot, ...console.components].filter((one) => !references.has(one['bom-ref']));
  const refs = new Set(gateway.dependencies.map(({ ref }) => ref));
  const dependencies = gateway.dependencies.map((one) =>
    one.ref === own['bom-ref']
      ? { ...one, dependsOn: [...(one.dependsOn ?? []), consoleRoot['bom-ref']] }
      : one,
  );
  return {
    ...gateway,
    components: [...gateway.components, ...added],
    dependencies: [...dependencies, ...console.dependencies.filter(({ ref }) => !refs.has(ref))],
  };
}

/** @returns {Promise<string>} the path */
export async function writeSbom(root, path) {
  const sbom = joinSboms(await npmSbom(root), await npmSbom(join(root, 'console')));
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const [group, name] = PUBLISHED_NAME.split('/');
  Object.assign(sbom.metadata.component, { group, name, version });
  writeFileSync(path, `${JSON.stringify(sbom, undefined, 2)}\n`);
  return path;
}
