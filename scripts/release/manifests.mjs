// The package.json and lockfile of what is released.

/** Name in the npm registry, where "weir" belongs to another package. */
export const PUBLISHED_NAME = '@weir-gateway/weir';

const KEPT = ['version', 'description', 'license', 'type', 'engines', 'exports', 'bin', 'dependencies'];

/** Paths that npm publishes, beside package.json, README.md, LICENSE and the lockfile. */
export const PUBLISHED_PATHS = [
  'bin',
  'src',
  'console/dist',
  'guide/dist',
  'dist/program',
  'scripts',
  'proto',
];

/**
 * The manifest of the npm package: the scoped name, nothing private, no scripts and no development.
 * @param {Record<string, unknown>} manifest package.json of the checkout
 */
export function publishedManifest(manifest) {
  const kept = Object.fromEntries(KEPT.map((name) => [name, manifest[name]]));
  return {
    name: PUBLISHED_NAME,
    ...kept,
    keywords: ['llm', 'gateway', 'inference', 'openai', 'proxy'],
    files: PUBLISHED_PATHS,
    publishConfig: { access: 'public', provenance: true },
  };
}

/**
 * npm installs these versions for users of the package: direct and indirect dependencies, of every system.
 * @param {{ lockfileVersion: number, packages: Record<string, Record<string, unknown>> }} lock package-lock.json of the checkout
 */
export function publishedLock(lock) {
  const { devDependencies: _, ...own } = lock.packages[''];
  const packages = Object.entries(lock.packages).filter(([path, entry]) => path !== '' && entry.dev !== true);
  return {
    name: PUBLISHED_NAME,
    version: own.version,
    lockfileVersion: lock.lockfileVersion,
    requires: true,
    packages: { '': { ...own, name: PUBLISHED_NAME }, ...Object.fromEntries(packages) },
  };
}

/** The manifest beside the modules in images and archives: modules import its version, and plugins its exports. */
export function runtimeManifest(manifest) {
  const { version, description, license, type, exports } = manifest;
  return { name: PUBLISHED_NAME, version, description, license, type, exports };
}
