// `npm test`: format and lint, types, import rules, unit and end-to-end tests; ends with "N passed, N failed".
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root, runtimeEnvironment, setUp } from './setup.mjs';
import { ensureServices } from './test-services.mjs';

const bun = setUp({ withDev: true });
ensureServices();
const tool = (path) => [process.execPath, join(root, 'node_modules', path)];

/** Steps that are one check each. `sound` looks at the output of a step that claims success. */
const CHECKS = [
  { name: 'format and lint', command: [...tool('@biomejs/biome/bin/biome'), 'ci', '.'] },
  { name: 'types', command: [...tool('typescript/bin/tsc'), '--noEmit'] },
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
    // A parser that understands nothing finds no violations either.
    sound: (output) => /\b[1-9]\d{2,} modules/.test(output),
  },
  {
    name: 'language',
    command: [process.execPath, join(root, 'scripts/language-check.mjs')],
    sound: (output) => /^[1-9]\d{2,} files checked/m.test(output),
  },
];
const SUITES = [
  { name: 'unit', paths: ['./src/', './bench/', './scripts/'] },
  { name: 'end to end', paths: ['./test/'] },
];

function run(command, { quiet }) {
  return new Promise((resolve) => {
    const [file, ...args] = command;
    const child = spawn(file, args, {
      cwd: root,
      env: { ...runtimeEnvironment(), NO_COLOR: process.stdout.isTTY ? '' : '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        output += text;
        if (!quiet) process.stdout.write(text);
      });
    }
    child.on('error', (error) => resolve({ code: 1, output: String(error) }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

const count = (output, word) => Number(new RegExp(`^\\s*(\\d+) ${word}$`, 'm').exec(output)?.[1] ?? 0);

const started = Date.now();
const totals = { passed: 0, failed: 0, skipped: 0 };
for (const { name, command, sound } of CHECKS) {
  const { code, output } = await run(command, { quiet: true });
  const passed = code === 0 && (sound?.(output) ?? true);
  totals[passed ? 'passed' : 'failed'] += 1;
  console.log(`${passed ? 'pass' : 'FAIL'}  ${name}`);
  if (!passed) console.log(output);
}
for (const { name, paths } of SUITES) {
  console.log(`\n== ${name} tests ==`);
  const { code, output } = await run([bun, 'test', '--timeout', '30000', ...paths], { quiet: false });
  const failed = count(output, 'fail');
  const passed = count(output, 'pass');
  totals.passed += passed;
  totals.skipped += count(output, 'skip');
  // A runner that crashed, or found nothing to run, has failed however few failures it counted.
  totals.failed += failed + ((code !== 0 && failed === 0) || passed === 0 ? 1 : 0);
}

console.log(`\n${Math.round((Date.now() - started) / 1000)} s`);
const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : '';
console.log(`${totals.passed} passed, ${totals.failed} failed${skipped}`);
process.exit(totals.failed === 0 ? 0 : 1);
