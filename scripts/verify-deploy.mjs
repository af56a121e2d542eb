// `npm run verify:deploy`: checks every deployment artefact with its own tool, and prints what was proved.
//   --only NAME   a family (file in scripts/verify-deploy), or part of an artefact or tool; may be repeated
//   --json        one JSON document on standard output
//   --markdown    the table in Markdown, with versions of tools and details
//   --list        names the checks and runs none
//   --strict      unproved artefacts fail too

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { root, setUp } from './setup.mjs';
import {
  exitCodeOf,
  loadChecks,
  renderMarkdown,
  renderTable,
  runCheck,
  selectChecks,
  summarize,
} from './verify-deploy/lib/checks.mjs';
import { cacheFolder, Tools } from './verify-deploy/lib/tools.mjs';

let options;
try {
  options = parseArgs({
    options: {
      only: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      strict: { type: 'boolean', default: false },
    },
  }).values;
} catch (error) {
  console.error(`${error.message}\nUse --only NAME, --json, --markdown, --list, --strict.`);
  process.exit(2);
}

const all = await loadChecks(fileURLToPath(new URL('./verify-deploy/', import.meta.url)));
const checks = selectChecks(all, options.only);
if (checks.length === 0) {
  const families = [...new Set(all.map(({ family }) => family))];
  console.error(`No check matches "${options.only.join(', ')}". Families: ${families.join(', ')}.`);
  process.exit(2);
}
if (options.list) {
  for (const { family, artefact, tool } of checks) console.log(`${family}: ${artefact} (${tool})`);
  process.exit(0);
}

// Results go to standard output at the end; progress to standard error.
const print = (line) => console.error(line);
setUp({ withDev: true });
const context = { root, tools: new Tools(cacheFolder(), (line) => print(`      ${line}`)), print };
const outcomes = [];
for (const check of checks) {
  print(`...   ${check.artefact} (${check.tool})`);
  const outcome = await runCheck(check, context);
  outcomes.push(outcome);
  print(`${outcome.result.padEnd(8)}  ${outcome.seconds.toFixed(1)} s  ${outcome.detail}`);
}
const isForFiles = options.json || options.markdown;
if (options.json) console.log(JSON.stringify(outcomes, undefined, 2));
else console.log(options.markdown ? renderMarkdown(outcomes) : `\n${renderTable(outcomes)}\n`);
(isForFiles ? print : console.log)(summarize(outcomes));
process.exitCode = exitCodeOf(outcomes, options.strict);
