import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { anthropicMessagesDialect } from '../api/anthropic/dialect.ts';
import { openAiChatDialect } from '../api/openai/chat/dialect.ts';
import { openAiCompletionsDialect } from '../api/openai/completions/dialect.ts';
import { offlineSnapshot } from '../app/offline-snapshot.ts';
import type { GatewaySnapshot } from '../app/snapshot.ts';
import type { Config } from '../config/schema.ts';
import { asCount, asString, isRecord, parseJsonText } from '../core/json.ts';
import { seeded } from '../core/random.ts';
import { ModelData } from '../metering/model-data.ts';
import {
  asLogged,
  type LoggedPrompt,
  type LoggedRequest,
  type ReplayOutcome,
  replay,
  TimePerTokenSamples,
} from '../routing/replay.ts';
import { CommandError, EXIT, type Output, table } from './output.ts';

export interface ReplayOptions {
  readonly policy: readonly string[];
  readonly json?: boolean;
}

/** The successful request in one line of the log; undefined for any other line. */
export function loggedRequest(line: string): LoggedRequest | undefined {
  const record = line.startsWith('{') ? parseJsonText(line) : undefined;
  if (!isRecord(record) || record.msg !== 'request' || record.outcome !== 'done') return undefined;
  const { time, tenant, model, provider, upstream_model, duration_ms, queued_ms, loading_ms } = record;
  const endedAt = Date.parse(String(time));
  const number = (value: unknown) => (typeof value === 'number' && Number.isFinite(value) ? value : 0);
  const names = [model, provider, upstream_model].map(asString);
  const [asked, providerId, upstream] = names;
  if (Number.isNaN(endedAt) || asked === undefined || providerId === undefined || upstream === undefined) {
    return undefined;
  }
  const whole = number(duration_ms);
  return {
    at: endedAt - whole,
    tenant: asString(tenant) ?? '',
    model: asked,
    provider: providerId,
    upstreamModel: upstream,
    // Time in Weir's queue is not the target's.
    durationMs: Math.max(0, whole - number(queued_ms) - number(loading_ms)),
    inputTokens: asCount(record.input_tokens) ?? 0,
    outputTokens: asCount(record.output_tokens) ?? 0,
    ...(isRecord(record.request) ? { prompt: promptOf(record.request, asString(record.route)) } : {}),
  };
}

/** A prompt of `weir requests export`, read by the dialect of its path. */
function promptOf(
  body: Readonly<Record<string, unknown>>,
  route: string | undefined,
): LoggedPrompt | undefined {
  const dialect = DIALECTS.find(([path]) => path === route)?.[1];
  return dialect && { text: JSON.stringify(body), view: () => dialect.requestView(body) };
}

const DIALECTS = [
  ['/v1/chat/completions', openAiChatDialect],
  ['/v1/completions', openAiCompletionsDialect],
  ['/v1/messages', anthropicMessagesDialect],
] as const;

async function readLog(file: string): Promise<LoggedRequest[]> {
  const requests: LoggedRequest[] = [];
  const input = file === '-' ? process.stdin : createReadStream(file);
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      const request = loggedRequest(line);
      if (request) requests.push(request);
    }
  } catch (error) {
    throw new CommandError(`Cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (requests.length === 0) {
    throw new CommandError(
      `${file} contains no successful request. Use a log that was written with log.format json and log.requests true, or the output of \`weir requests export\`.`,
    );
  }
  return requests.sort((a, b) => a.at - b.at);
}

/** Replays logged requests with other configurations, and compares them. @returns the exit code */
export async function replayCommand(
  load: (file?: string) => Config,
  env: Readonly<Record<string, string | undefined>>,
  output: Output,
  file: string,
  { policy, json }: ReplayOptions,
): Promise<number> {
  const requests = await readLog(file);
  const timePerToken = new TimePerTokenSamples(requests);
  const modelData = await new ModelData(() => new Date(requests[0]?.at ?? 0)).load();
  const results: { readonly name: string; readonly outcome: ReplayOutcome }[] = [];
  const notes: string[] = [];
  const own = await offlineSnapshot(load(), env, { modelData });
  results.push({ name: 'as logged', outcome: asLogged(requests, (request) => costAsLogged(own, request)) });
  own.close();
  for (const name of policy.length === 0 ? [undefined] : policy) {
    const snapshot = await offlineSnapshot(load(name), env, { modelData, random: seeded(1) });
    const { directory, router } = snapshot;
    const outcome = replay(requests, {
      directory,
      router,
      timePerToken,
      costOf: (target, model, request) => {
        const route = directory.resolve(model);
        return route && router.costOf(target, route, usageOf(request), request);
      },
    });
    snapshot.close();
    results.push({ name: name ?? 'this configuration', outcome });
    const unknown = outcome.targets.filter(({ target }) => !timePerToken.has(target.split(' ')[0] ?? target));
    for (const { target } of unknown) {
      notes.push(`${target} is not in the log: its speed is assumed to be the average of the others.`);
    }
    if (outcome.notRouted > 0) {
      notes.push(`${name ?? 'This configuration'} has no target for ${outcome.notRouted} of the requests.`);
    }
  }
  if (json === true) output.out(JSON.stringify({ results, notes }));
  else print(output, results, notes);
  return EXIT.ok;
}

const usageOf = ({ inputTokens, outputTokens }: LoggedRequest) => ({ inputTokens, outputTokens, raw: {} });

function costAsLogged(
  { directory, router, providers }: GatewaySnapshot,
  request: LoggedRequest,
): string | undefined {
  const provider = providers.find(({ id }) => id === request.provider);
  const route = directory.resolve(request.model);
  if (!provider || !route) return undefined;
  const target = { provider, model: request.upstreamModel, weight: 1 };
  return router.costOf(target, route, usageOf(request), request);
}

function print(
  output: Output,
  results: readonly { readonly name: string; readonly outcome: ReplayOutcome }[],
  notes: readonly string[],
): void {
  const ms = (value: number) => `${Math.round(value)} ms`;
  output.out(
    table(
      ['POLICY', 'REQUESTS', 'P50', 'P99', 'COST', 'UNPRICED'],
      results.map(({ name, outcome }) => [
        name,
        String(outcome.requests),
        ms(outcome.p50Ms),
        ms(outcome.p99Ms),
        `$${outcome.cost}`,
        String(outcome.unpriced),
      ]),
    ),
  );
  output.out('');
  output.out(
    table(
      ['POLICY', 'TARGET', 'REQUESTS', 'SHARE', 'MAX IN FLIGHT'],
      results.flatMap(({ name, outcome }) =>
        outcome.targets.map(({ target, requests, mostInflight }) => [
          name,
          target,
          String(requests),
          `${((requests / outcome.requests) * 100).toFixed(1)} %`,
          String(mostInflight),
        ]),
      ),
    ),
  );
  output.out('\nDurations and costs of a replay are estimates from the time per token in the log.');
  for (const note of new Set(notes)) output.err(`note: ${note}`);
}
