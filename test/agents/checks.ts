import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../e2e/harness.ts';
import { admin, done } from '../e2e/helpers/admin.ts';
import {
  createScratch,
  isolatedEnvironment,
  type ProgramResult,
  type ProgramRun,
  runProgram,
  type Scratch,
} from '../support/real-clients/isolated-program.ts';
import { type ScriptedModel, startScriptedModel } from '../support/scripted-model/server.ts';
import { AFTER, type Agent, type AgentEndpoint, BEFORE, FILE, FINAL_TEXT } from './agent.ts';
import type { Stage } from './upstreams.ts';

/** The time in which an agent's run must end; most take 2 s on an idle machine. */
const RUN_TIMEOUT_MS = 120_000;
/** The time in which an error must be shown, from the program's start. */
const SHOWN_WITHIN_MS = 60_000;

const LIMITED = {
  status: 429,
  body: {
    type: 'error',
    error: { type: 'rate_limit_error', message: 'The account reached its usage limit.' },
  },
  headers: { 'x-should-retry': 'false' },
};

export interface InstalledAgent {
  readonly agent: Agent;
  readonly executable: string;
  /** A URL of 127.0.0.1 whose port refuses connections. */
  readonly refusedUrl: string;
}

class CheckFailure extends Error {
  /** @param output of the agent, shown with the failure */
  constructor(message: string, output: string) {
    super(`${message}\n${output.trim().replace(/^/gm, '    ').slice(-3_000)}`);
  }
}

/** Writes the agent's settings and the file that it edits, and returns how to start it. */
function programOf(
  { agent, executable, refusedUrl }: InstalledAgent,
  endpoint: AgentEndpoint,
  scratch: Scratch,
): ProgramRun {
  writeFileSync(join(scratch.project, FILE), BEFORE);
  const { args, env } = agent.prepare(scratch, endpoint);
  return {
    command: executable,
    args,
    cwd: scratch.project,
    env: { ...isolatedEnvironment(scratch.home, refusedUrl), ...env },
    timeoutMs: RUN_TIMEOUT_MS,
  };
}

const runAgent = (
  installed: InstalledAgent,
  endpoint: AgentEndpoint,
  scratch: Scratch,
  limits: Partial<Pick<ProgramRun, 'timeoutMs' | 'until'>> = {},
): Promise<ProgramResult> => runProgram({ ...programOf(installed, endpoint, scratch), ...limits });

/** Runs the check in folders of its own. */
async function withScratch<T>(run: (scratch: Scratch) => Promise<T>): Promise<T> {
  const scratch = createScratch();
  try {
    return await run(scratch);
  } finally {
    scratch.remove();
  }
}

/** The agent reads a file, edits it, runs a command and ends with a text. */
export function toolLoop(
  installed: InstalledAgent,
  stage: Stage,
  model: string,
): Promise<string | undefined> {
  return withScratch(async (scratch) => {
    const { agent } = installed;
    const seen: string[] = [];
    stage.play((conversation) => {
      for (const { text } of conversation.results.slice(seen.length)) seen.push(text);
      return agent.respond(conversation, scratch.project, model);
    });
    const before = stage.upstream.generations.length;
    const faultsBefore = stage.upstream.faults.length;
    const { url, adminKey: key } = stage.gateway;
    const result = await runAgent(installed, { url, key, model }, scratch);
    const fail = (message: string) => new CheckFailure(message, result.output);

    const faults = stage.upstream.faults.slice(faultsBefore);
    if (faults.length > 0) throw fail(`the upstream rejected a request: ${faults.join('; ')}`);
    if (result.timedOut) throw fail(`did not end within ${RUN_TIMEOUT_MS / 1_000} s`);
    if (result.code !== 0) throw fail(`ended with exit code ${result.code}`);
    if (!result.output.includes(FINAL_TEXT)) throw fail('did not show the final text');
    if (readFileSync(join(scratch.project, FILE), 'utf8') !== AFTER) throw fail('did not edit the file');
    if (!seen.some((text) => text.includes(BEFORE.trim()))) throw fail('did not return the file it read');
    for (const text of agent.expects?.(model) ?? []) {
      if (!seen.some((result) => result.includes(text))) throw fail(`did not return "${text}"`);
    }
    const counted = seen.some((text) => text.includes(`${AFTER.length} ${FILE}`));
    if (!counted) throw fail('did not return the output of the command');
    return `${stage.upstream.generations.length - before} requests, ${(result.elapsedMs / 1_000).toFixed(1)} s`;
  });
}

/** The requests for text that the gateway has received. */
async function received({ gateway }: Stage): Promise<number> {
  const page = await (await fetch(`${gateway.metricsUrl}/metrics`)).text();
  const counts = [...page.matchAll(/^llm_requests_total\{.*\} (\d+)$/gm)].map(([, count]) => Number(count));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** The requests after which an agent is stopped that retries every 429. */
const ENOUGH_REQUESTS = 3;

/** Runs the agent while every request gets the 429, and returns the number of upstream requests. */
async function requestsAfter429(
  installed: InstalledAgent,
  upstream: ScriptedModel,
  endpoint: AgentEndpoint,
): Promise<number> {
  const before = upstream.generations.length;
  upstream.failWith(LIMITED);
  try {
    const until = upstream.waitForGeneration(before + ENOUGH_REQUESTS);
    const result = await withScratch((scratch) => runAgent(installed, endpoint, scratch, { until }));
    if (result.timedOut) throw new CheckFailure('did not end', result.output);
    return upstream.generations.length - before;
  } finally {
    upstream.failWith(undefined);
  }
}

/** Upstream requests of an agent that talks to its vendor without Weir. */
export async function directRequestsAfter429(installed: InstalledAgent): Promise<number> {
  const vendor = await startScriptedModel(installed.agent.nativeFormat, () => ({}));
  const [model = ''] = installed.agent.models;
  try {
    return await requestsAfter429(installed, vendor, { url: vendor.url, key: 'sk-vendor', model });
  } finally {
    await vendor.close();
  }
}

/** A vendor's 429 with `x-should-retry: false` ends the agent after as many upstream requests as without Weir. */
export async function stopsAfter429(
  installed: InstalledAgent,
  stage: Stage,
  model: string,
  directRequests: number,
): Promise<string | undefined> {
  const before = await received(stage);
  const { url, adminKey: key } = stage.gateway;
  const sent = await requestsAfter429(installed, stage.upstream, { url, key, model });
  // The gateway counts a request when it has ended.
  await eventually(
    'the gateway counts the requests',
    async () => (await received(stage)) - before >= sent,
  ).catch(() => undefined);
  const asked = (await received(stage)) - before;
  if (sent !== asked) throw new Error(`${asked} requests of the agent became ${sent} upstream requests`);
  if (sent !== directRequests) throw new Error(`${sent} upstream requests, without Weir ${directRequests}`);
  return retriesNote(sent);
}

/** Says where the number is that of a stopped agent. */
export const retriesNote = (requests: number): string =>
  requests >= ENOUGH_REQUESTS
    ? `retries with and without Weir; stopped after ${requests}`
    : `${requests} upstream request${requests === 1 ? '' : 's'}`;

/** @returns a key whose monthly budget is spent */
async function spentKey({ gateway }: Stage, model: string): Promise<string> {
  const id = `budget-${crypto.randomUUID().slice(0, 8)}`;
  await done(gateway, 'POST', '/tenants', { id, tier: null });
  const limits = [{ of: 'cost', per: 'month', max: '0.000060' }];
  const { key } = await done(gateway, 'POST', `/tenants/${id}/keys`, { name: 'agent', limits });
  const ask = () =>
    fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }] }),
    });
  const first = await ask();
  const second = await ask();
  const text = await second.text();
  if (first.status !== 200 || second.status !== 429 || !text.includes('quota_exceeded')) {
    const { body } = await admin(gateway, 'GET', `/tenants/${id}/limits`);
    throw new Error(
      `the budget is not spent: ${first.status}, ${second.status} ${text} ${JSON.stringify(body)}`,
    );
  }
  return String(key);
}

/** An exhausted budget reaches the agent's user within seconds. */
export function showsSpentBudget(
  installed: InstalledAgent,
  stage: Stage,
  model: string,
): Promise<string | undefined> {
  return withScratch(async (scratch) => {
    stage.play(() => ({ text: 'Ready.' }));
    const { agent } = installed;
    const endpoint = { url: stage.gateway.url, key: await spentKey(stage, model), model };
    const before = stage.upstream.generations.length;
    const program = programOf(installed, endpoint, scratch);
    const { output: shown, elapsedMs } = await runProgram({
      ...program,
      args: [...program.args, ...(agent.logsErrors ?? [])],
      timeoutMs: SHOWN_WITHIN_MS,
      ...(agent.logsErrors && { untilOutput: agent.budgetMessage }),
    });
    const sent = stage.upstream.generations.length - before;
    if (sent > 0) throw new CheckFailure(`${sent} requests reached the upstream`, shown);
    const match = agent.budgetMessage.exec(shown);
    if (match === null) {
      throw new CheckFailure(`showed nothing of the budget within ${SHOWN_WITHIN_MS / 1_000} s`, shown);
    }
    return `${(elapsedMs / 1_000).toFixed(1)} s: ${match[0].trim().slice(0, 50)}`;
  });
}
