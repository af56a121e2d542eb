/** `npm run gameday`: loses parts of an installation on this machine, recovers them, and measures time and loss. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { canStopPostgres } from '../support/services/postgres.ts';
import { canStopRedis } from '../support/services/redis.ts';
import { type Outcome, SCENARIOS } from './scenarios.ts';
import { markdownTable } from './table.ts';

const PAGE = fileURLToPath(new URL('../../docs/deployment/disaster-recovery.md', import.meta.url));

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});
if (!canStopPostgres || !canStopRedis) {
  console.error('Game days need the programs of PostgreSQL and Redis: install postgresql and redis-server.');
  process.exit(1);
}
const outcomes: Outcome[] = [];
for (const scenario of SCENARIOS) {
  if (values.only !== undefined && !scenario.lost.includes(values.only)) continue;
  process.stderr.write(`${scenario.lost} is lost ...\n`);
  outcomes.push(await scenario.run());
}
if (outcomes.length === 0) {
  console.error(
    `No game day contains "${values.only}". There are: ${SCENARIOS.map(({ lost }) => lost).join('; ')}.`,
  );
  process.exit(2);
}
const table = markdownTable(outcomes);
console.log(values.json ? JSON.stringify(outcomes) : table);
if (values.write) {
  const text = readFileSync(PAGE, 'utf8');
  writeFileSync(
    PAGE,
    text.replace(
      /(<!-- measured by npm run gameday -->\n)[\s\S]*?(\n<!-- end -->)/,
      (_, begin: string, end: string) => `${begin}${table}${end}`,
    ),
  );
}
process.exit(outcomes.every(({ passed }) => passed) ? 0 : 1);
