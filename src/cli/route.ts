import { readFile } from 'node:fs/promises';
import { describeDryRun, dryRunRequest, factsOf } from '../api/admin/dry-run.ts';
import { offlineSnapshot } from '../app/offline-snapshot.ts';
import type { Config } from '../config/schema.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { isRecord, parseJsonText } from '../core/json.ts';
import { ModelData } from '../metering/model-data.ts';
import { dryRun } from '../routing/dry-run.ts';
import { CommandError, EXIT, type Output, table } from './output.ts';

export interface RouteOptions {
  readonly header?: readonly string[];
  readonly tenant?: string;
  /** A running gateway, which knows the current state of its targets. */
  readonly url?: string;
  readonly key?: string;
  readonly json?: boolean;
}

type Described = ReturnType<typeof describeDryRun>;

/** Shows where the request in a file would be routed. Sends nothing to a provider. @returns the exit code */
export async function routeCommand(
  load: () => Config,
  env: Readonly<Record<string, string | undefined>>,
  output: Output,
  file: string,
  options: RouteOptions,
): Promise<number> {
  const request = await readRequest(file);
  const input = dryRunRequest.safeParse({
    request,
    headers: headersOf(options.header ?? []),
    ...(options.tenant === undefined ? {} : { tenant: options.tenant }),
  });
  if (!input.success) throw new CommandError(`${file}: the body needs a "model" of type string.`);
  const found =
    options.url === undefined
      ? await offline(load(), env, input.data)
      : await requestDryRun(options.url, options.key ?? env.WEIR_ADMIN_KEY, input.data);
  if (options.json === true) output.out(JSON.stringify(found));
  else print(output, found, input.data.request.model);
  return found.road.length + found.waits_for.length > 0 ? EXIT.ok : EXIT.failure;
}

async function readRequest(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new CommandError(`Cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const body = parseJsonText(text);
  if (!isRecord(body)) throw new CommandError(`${file} is not a request: expected a JSON object.`);
  return body;
}

function headersOf(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.map((line) => {
      const [, name, value] = /^([\w-]+):\s*(.*)$/.exec(line) ?? [];
      if (name === undefined || value === undefined) {
        throw new CommandError(`--header "${line}" is not of the form "name: value".`);
      }
      return [name, value];
    }),
  );
}

/** Assumes targets without measurements, as after a start. */
async function offline(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  input: Parameters<typeof factsOf>[0],
): Promise<Described> {
  const modelData = await new ModelData(() => new Date(systemClock.wallTime())).load();
  const snapshot = await offlineSnapshot(config, env, { modelData });
  try {
    const { directory, router } = snapshot;
    const facts = factsOf(input);
    return describeDryRun(dryRun(directory, router, input.request.model, facts, systemClock.now()));
  } catch (error) {
    if (error instanceof GatewayError) throw new CommandError(error.message);
    throw error;
  } finally {
    snapshot.close();
  }
}

async function requestDryRun(url: string, key: string | undefined, input: unknown): Promise<Described> {
  if (!URL.canParse(url)) throw new CommandError(`--url "${url}" is not a URL.`);
  if (key === undefined) throw new CommandError('--url requires the admin key: set --key or WEIR_ADMIN_KEY.');
  let response: Response;
  try {
    response = await fetch(new URL('/admin/v1/route', url), {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(input),
    });
  } catch (error) {
    throw new CommandError(`Cannot reach ${url}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const text = await response.text();
  const body = parseJsonText(text);
  if (response.ok && isDescribed(body)) return body;
  const error = isRecord(body) && isRecord(body.error) ? String(body.error.message) : text.slice(0, 200);
  throw new CommandError(`${url} returned ${response.status}: ${error}`);
}

function isDescribed(body: unknown): body is Described {
  return isRecord(body) && Array.isArray(body.road) && Array.isArray(body.looks);
}

function print(output: Output, found: Described, requestDryRun: string): void {
  if (found.model === null) {
    const hint = found.did_you_mean.length > 0 ? ` Did you mean ${found.did_you_mean.join(' or ')}?` : '';
    output.err(`No model goes by the name "${requestDryRun}".${hint}`);
    return;
  }
  const variant = found.variant === null ? '' : `, variant ${found.variant}`;
  output.out(`"${requestDryRun}" is model ${found.model}${variant}.\n`);
  if (found.road.length > 0) {
    output.out(
      table(
        ['', 'PROVIDER', 'MODEL', 'KEY', 'EXPECTED COST'],
        found.road.map(({ provider, model, key, expected_cost_usd: cost }, index) => [
          String(index + 1),
          provider,
          model,
          key === null ? '' : `#${key}`,
          cost === null ? 'unknown' : `$${cost}`,
        ]),
      ),
    );
    output.out('\nTargets are tried in this order; each after all before it have failed.');
  } else output.err('No target is available.');
  for (const busy of found.waits_for) output.out(`${busy} is full: the request would wait for a slot.`);
  for (const { model, left_out: excluded } of found.looks) {
    for (const { provider, model: upstream, reason } of excluded) {
      output.out(`${model}: ${provider}/${upstream} is excluded: ${reason.replaceAll('_', ' ')}.`);
    }
  }
}
