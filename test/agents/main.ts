/** `npm run agents`: coding agents, as their npm packages provide them, finish their work through Weir. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { refusedUrl } from '../support/mock-upstream.ts';
import { CheckTable } from '../support/real-clients/check-table.ts';
import { InstallError, installNpmPackages } from '../support/real-clients/package-cache.ts';
import type { Agent } from './agent.ts';
import {
  directRequestsAfter429,
  type InstalledAgent,
  retriesNote,
  showsSpentBudget,
  stopsAfter429,
  toolLoop,
} from './checks.ts';
import { claudeCode } from './claude-code.ts';
import { codex } from './codex.ts';
import { opencode } from './opencode.ts';
import { FORMATS, startStage } from './upstreams.ts';

const AGENTS: readonly Agent[] = [claudeCode, codex, opencode];
const wanted = process.argv.slice(2).map((name) => name.toLowerCase());
const chosen = AGENTS.filter(({ packageFolder }) => wanted.length === 0 || wanted.includes(packageFolder));
if (chosen.length === 0) {
  console.error(
    `Unknown agent. Use one or more of: ${AGENTS.map(({ packageFolder }) => packageFolder).join(', ')}.`,
  );
  process.exit(2);
}

async function install(agent: Agent, refused: string): Promise<InstalledAgent | string> {
  try {
    const folder = await installNpmPackages(join(import.meta.dirname, 'packages', agent.packageFolder));
    const executable = agent.findExecutable(folder);
    if (executable !== undefined && existsSync(executable)) return { agent, executable, refusedUrl: refused };
    return `its packages have no executable for ${process.platform}-${process.arch}`;
  } catch (error) {
    if (error instanceof InstallError) return `the registry does not provide it here: ${error.message}`;
    throw error;
  }
}

const refused = await refusedUrl();
const table = new CheckTable({ agent: 26, upstream: 9, check: 16 });
const installed: InstalledAgent[] = [];
const direct = new Map<Agent, number>();
for (const agent of chosen) {
  const found = await install(agent, refused);
  if (typeof found === 'string') table.add([agent.name, '', 'all'], { skipped: true, reason: found });
  else installed.push(found);
}
for (const one of installed) {
  await table.check([one.agent.name, 'no Weir', '429'], async () => {
    const requests = await directRequestsAfter429(one);
    direct.set(one.agent, requests);
    return retriesNote(requests);
  });
}

for (const format of FORMATS) {
  const stage = await startStage(format, chosen);
  try {
    for (const one of installed) {
      const { agent } = one;
      for (const model of agent.models) {
        const name = agent.models.length > 1 ? `${agent.name} (${model})` : agent.name;
        await table.check([name, format, 'tool loop'], () => toolLoop(one, stage, model));
      }
      const [model = ''] = agent.models;
      const without = direct.get(agent);
      if (without !== undefined) {
        await table.check([agent.name, format, '429'], () => stopsAfter429(one, stage, model, without));
      }
      await table.check([agent.name, format, 'spent budget'], () => showsSpentBudget(one, stage, model));
    }
  } finally {
    await stage.stop();
  }
}
process.exit(table.end());
