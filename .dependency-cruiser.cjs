/**
 * Which folder may import which, lowest first:
 *   cli -> app -> api -> http -> server, pipeline -> dispatch -> routing, tenancy, limits, ... -> providers, simulator, storage,
 *   config -> platform, redaction -> core
 */
const layers = [
  ['core'],
  ['platform', 'redaction'],
  ['config'],
  ['storage'],
  ['providers', 'simulator'],
  [
    'engines',
    'observability',
    'tenancy',
    'routing',
    'limits',
    'metering',
    'billing',
    'cache',
    'guardrails',
    'events',
    'jobs',
    'files',
    'plugins',
    'secrets',
    'regions',
  ],
  ['dispatch', 'webhooks', 'async', 'batches', 'alerts', 'reports', 'exports'],
  ['pipeline', 'server'],
  ['http', 'grpc'],
  ['api'],
  ['app'],
  ['cli', 'main\\.ts'],
];
const upward = layers.slice(0, -1).map((names, index) => ({
  name: `no-upward-import-from-${names[0].replace('\\', '')}`,
  comment: 'Imports point one way, from the command line to core.',
  severity: 'error',
  from: { path: `^src/(${names.join('|')})(/|$)`, pathNot: '\\.test\\.ts$' },
  to: {
    path: `^src/(${layers
      .slice(index + 1)
      .flat()
      .join('|')})(/|$)`,
  },
}));
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, path: '^src/', pathNot: '(\\.d\\.ts|\\.test\\.ts)$' },
      to: {},
    },
    {
      name: 'runtime-only-in-platform',
      comment: 'Only src/platform knows the runtime; all else is web standard.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/platform/|\\.test\\.ts$' },
      to: { path: '^bun(:|$)|^node_modules/bun/' },
    },
    {
      name: 'providers-and-simulator-apart',
      comment: 'The application registers the simulator; providers and simulator do not know each other.',
      severity: 'error',
      from: { path: '^src/(providers|simulator)/', pathNot: '\\.test\\.ts$' },
      to: { path: '^src/(providers|simulator)/', pathNot: '^src/$1/' },
    },
    {
      name: 'no-test-code-in-product',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.test\\.ts$' },
      to: { path: '^(test|bench)/|\\.test\\.ts$' },
    },
    {
      name: 'not-to-dev-dependency',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^bun(:|$)' },
    },
    {
      name: 'server-knows-only-core-and-platform',
      comment: 'src/server carries bytes: it knows nothing of routes, tenants or models.',
      severity: 'error',
      from: { path: '^src/server/', pathNot: '\\.test\\.ts$' },
      to: { path: '^src/', pathNot: '^src/(server|core|platform)/' },
    },
    ...upward,
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Its packages are installed elsewhere, and it is type-checked there (`npm run clients`).
    exclude: { path: '^test/clients/js/' },
    // The compiler is newer than this tool understands, so it reads TypeScript with another parser.
    parser: 'swc',
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default'],
    },
  },
};
