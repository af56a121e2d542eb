// Runs the requests and checks of a k6 script without k6: `node k6-stand-in.mjs SCRIPT ITERATIONS`, with the script's variables in the
// environment. It prints each check with its number of passes, and exits with 99 if one failed, as k6 does for a missed threshold.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const [path, iterations] = process.argv.slice(2);
const passes = new Map();
let failed = 0;

/** k6 sends synchronously, and so does this. */
function post(url, body, { headers }) {
  const named = Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]);
  const command = [
    '--silent',
    '--noproxy',
    '*',
    '--write-out',
    '\n%{http_code}',
    ...named,
    '--data',
    body,
    url,
  ];
  const { stdout } = spawnSync('curl', command, { encoding: 'utf8' });
  const end = stdout.lastIndexOf('\n');
  return { status: Number(stdout.slice(end + 1)), body: stdout.slice(0, end) };
}

globalThis.__ENV = process.env;
globalThis.standIn = {
  scenario: { iterationInTest: 0 },
  post,
  expectedStatuses: () => undefined,
  check(response, conditions) {
    for (const [name, holds] of Object.entries(conditions)) {
      const isPassed = holds(response);
      passes.set(name, (passes.get(name) ?? 0) + (isPassed ? 1 : 0));
      if (!isPassed) failed += 1;
    }
  },
};
const moduleOf = (text) => `data:text/javascript,${encodeURIComponent(text)}`;
const MODULES = {
  k6: 'export const { check } = globalThis.standIn;',
  'k6/execution': 'export default globalThis.standIn;',
  'k6/http': 'export default globalThis.standIn;',
};
const script = readFileSync(path, 'utf8').replaceAll(
  /from '(k6[\w/]*)'/g,
  (_, name) => `from '${moduleOf(MODULES[name])}'`,
);
const { default: iterate } = await import(moduleOf(script));
for (let at = 0; at < Number(iterations); at += 1) {
  globalThis.standIn.scenario.iterationInTest = at;
  iterate();
}
for (const [name, count] of passes) console.log(`${name}: ${count}`);
process.exitCode = failed > 0 ? 99 : 0;
