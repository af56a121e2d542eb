// `npm test` runs every check and test; ends with "N passed, N failed". With an argument:
//   unit   unit tests without services: seconds
//   e2e    end-to-end tests
//   fuzz   mutated requests to a gateway for a minute
//   full   everything, with long property tests, long outages, the fuzz and a soak: under sixty minutes
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildConsole } from './console.mjs';
import { buildProgram } from './program.mjs';
import { root, runtimeEnvironment, setUp } from './setup.mjs';
import { ensureServices } from './test-services.mjs';

const MODES = ['all', 'unit', 'e2e', 'fuzz', 'full'];
const mode = process.argv[2] ?? 'all';
if (!MODES.includes(mode)) {
  console.error(`Unknown mode "${mode}". Use one of: ${MODES.join(', ')}.`);
  process.exit(2);
}
const full = mode === 'full';

const bun = setUp({ withDev: true });
buildConsole(bun);
const program = buildProgram(bun);
if (mode !== 'unit' && mode !== 'fuzz') ensureServices();
const tool = (path) => [process.execPath, join(root, 'node_modules', path)];

/** Steps that are one check each. `sound` looks at the output of a step that claims success. */
const CHECKS = [
  { name: 'format and lint', command: [...tool('@biomejs/biome/bin/biome'), 'ci', '.'] },
  { name: 'types', command: [...tool('typescript/bin/tsc'), '--noEmit'] },
  {
    name: 'types of the console',
    command: [...tool('typescript/bin/tsc'), '--noEmit', '-p', 'console'],
  },
  {
    name: 'import rules',
    command: [
      ...tool('dependency-cruiser/bin/dependency-cruise.mjs'),
      '--config',
      '.dependency-cruiser.cjs',
      'src',
      'test',
      'bench',
    ],
    // A parser that reads no module reports no violation either.
    sound: (output) => /\b[1-9]\d{2,} modules/.test(output),
  },
  // Fails when a link of the documentation leads nowhere.
  { name: 'guide', command: [process.execPath, join(root, 'scripts/guide.mjs')] },
  {
    name: 'language',
    command: [process.execPath, join(root, 'scripts/language-check.mjs')],
    sound: (output) => /^[1-9]\d{2,} files checked/m.test(output),
  },
];
const UNIT = { name: 'unit', paths: ['./src/', './bench/', './scripts/', './examples/'] };
/** Property tests, compatibility and other tests that start no gateway process. */
const IN_PROCESS = {
  name: 'properties and compatibility',
  paths: [
    './test/properties/',
    './test/compat/',
    './test/redaction/',
    './test/support/',
    './test/monitoring/',
    './test/deployment/',
  ],
};
const END_TO_END = { name: 'end to end', paths: ['./test/e2e/', './test/fuzz/'] };
/** Its thirds: every third file. */
const [FIRST_THIRD, SECOND_THIRD, LAST_THIRD] = [1, 2, 3].map((shard) => ({
  ...END_TO_END,
  name: `end to end, ${shard} of 3`,
  flags: [`--shard=${shard}/3`],
}));
/** The console in a browser. Playwright needs Node. */
const BROWSER = {
  name: 'console',
  runner: [
    process.execPath,
    '--import',
    './scripts/typescript.mjs',
    '--test-reporter=spec',
    'test/console/index.ts',
  ],
};
/** Bad input and damaged streams once more, and everything in `full`: through a tunnel to gateways that serve TLS. */
const OVER_TLS = {
  name: 'end to end, over TLS',
  paths: full
    ? ['./test/e2e/', './test/fuzz/']
    : ['./test/e2e/bad-input.test.ts', './test/e2e/upstream-failures.test.ts'],
  environment: { WEIR_TEST_TLS: '1' },
};
/**
 * Suites of lanes that run at the same time: the processes of end-to-end tests wait most of their time, and the others use
 * one core.
 */
const LANES = {
  all: [[BROWSER, FIRST_THIRD], [...CHECKS, UNIT, IN_PROCESS], [OVER_TLS, SECOND_THIRD], [LAST_THIRD]],
  unit: [[UNIT]],
  e2e: [[END_TO_END, OVER_TLS, BROWSER]],
  fuzz: [[{ name: 'fuzz', paths: ['./test/fuzz/'] }]],
  full: [[...CHECKS, UNIT, IN_PROCESS, END_TO_END, OVER_TLS, BROWSER]],
}[mode];
/** Memory over many requests, and what aborted streams leave behind. */
const SOAK = {
  name: 'soak',
  command: [
    process.execPath,
    join(root, 'scripts/bench.mjs'),
    ...['--only', 'requests,aborts', '--subjects', 'floor,weir', '--check=flat-memory,no-abort-left'],
  ],
};
/** Load on two workers for a while, and faults under load. */
const LOAD = [
  { name: 'load', args: ['soak', '--duration', '30s', '--rate', '50', '--upstream', 'mock'] },
  { name: 'faults under load', args: ['chaos', '--rate', '50', '--upstream', 'mock'] },
].map(({ name, args }) => ({ name, command: [process.execPath, join(root, 'scripts/load.mjs'), ...args] }));

/** Everything that gateways of the tests write; kept to look for secrets and personal data that the tests plant. */
const outputs = mode === 'unit' ? undefined : mkdtempSync(join(tmpdir(), 'weir-outputs-'));
const SCAN = {
  name: 'planted secrets',
  command: [bun, join(root, 'scripts/leak-scan.mjs'), outputs],
  sound: (output) => /^[1-9]\d* files scanned, 0 leaks$/m.test(output),
};

const TEST_TIMEOUT_MS = full ? 20 * 60_000 : 60_000;
/** Without services their tests skip themselves (test/support/services). */
const MODE_ENVIRONMENT = {
  all: {},
  e2e: {},
  unit: { WEIR_TEST_SERVICES: 'off' },
  fuzz: { WEIR_TEST_SERVICES: 'off', WEIR_FUZZ_SECONDS: process.env.WEIR_FUZZ_SECONDS ?? '60' },
  full: { WEIR_TEST_FULL: '1', WEIR_FUZZ_SECONDS: '60' },
}[mode];

function run(command, { print, environment = {} }) {
  return new Promise((resolve) => {
    const [file, ...args] = command;
    const child = spawn(file, args, {
      cwd: root,
      env: {
        ...runtimeEnvironment(),
        ...MODE_ENVIRONMENT,
        WEIR_TEST_PROGRAM: program,
        ...(outputs === undefined ? {} : { WEIR_TEST_OUTPUTS: outputs }),
        ...environment,
        NO_COLOR: process.stdout.isTTY ? '' : '1',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        output += text;
        print(text);
      });
    }
    child.on('error', (error) => resolve({ code: 1, output: String(error) }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Bun's runner prints `12 pass`, Node's `ℹ pass 12`. */
const count = (output, word) => {
  const found = new RegExp(`^\\s*(\\d+) ${word}$|^\\S+ ${word}(?:ped)? (\\d+)$`, 'm').exec(output);
  return Number(found?.[1] ?? found?.[2] ?? 0);
};

const started = Date.now();
const totals = { passed: 0, failed: 0, skipped: 0 };

/** @param print receives output as it comes */
async function check({ name, command, sound }, print) {
  const { code, output } = await run(command, { print: () => undefined });
  const passed = code === 0 && (sound?.(output) ?? true);
  totals[passed ? 'passed' : 'failed'] += 1;
  print(`${passed ? 'pass' : 'FAIL'}  ${name}\n`);
  if (!passed) print(output);
}

async function suite({ name, paths, environment, flags = [], runner }, print) {
  print(`\n== ${name} tests ==\n`);
  const preload = full ? ['--preload', './test/support/long-properties.ts'] : [];
  const command = runner ?? [
    ...[bun, 'test', ...preload, '--timeout', String(TEST_TIMEOUT_MS)],
    ...[...flags, ...paths],
  ];
  const { code, output } = await run(command, { print, environment });
  const failed = count(output, 'fail');
  const passed = count(output, 'pass');
  totals.passed += passed;
  const skipped = count(output, 'skip');
  totals.skipped += skipped;
  // A runner that crashed, or found no test, has failed however few failures it counted. Without Chromium, all of its tests
  // are skipped.
  totals.failed +=
    failed + ((code !== 0 && failed === 0) || (passed === 0 && !(runner && skipped > 0)) ? 1 : 0);
}

async function lane(steps, print) {
  for (const step of steps) await ('command' in step ? check : suite)(step, print);
}

// The first lane is printed as it runs; the others when they have ended.
const [first, ...others] = LANES;
const printed = others.map(async (steps) => {
  let output = '';
  await lane(steps, (text) => {
    output += text;
  });
  return output;
});
await lane(first, (text) => process.stdout.write(text));
for (const output of await Promise.all(printed)) process.stdout.write(output);
if (outputs !== undefined) {
  await check(SCAN, (text) => process.stdout.write(text));
  rmSync(outputs, { recursive: true });
}
if (full) for (const step of [SOAK, ...LOAD]) await check(step, (text) => process.stdout.write(text));

console.log(`\n${Math.round((Date.now() - started) / 1000)} s`);
const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : '';
console.log(`${totals.passed} passed, ${totals.failed} failed${skipped}`);
process.exit(totals.failed === 0 ? 0 : 1);
