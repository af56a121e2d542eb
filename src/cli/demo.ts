import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { CONFIG_CATALOG } from '../app/config-catalog.ts';
import { sqliteFolders } from '../app/database-servers.ts';
import type { Stores } from '../app/stores.ts';
import { loadConfig } from '../config/load.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import { startFetchServer } from '../platform/fetch-server.ts';
import { createSimulator, OPTIONS_HEADER } from '../simulator/index.ts';
import { createRandom, type Random } from '../simulator/random.ts';
import { sqlitePath } from '../storage/sql/sqlite-path.ts';
import { openSqliteUsage } from '../storage/sql/sqlite-usage-database.ts';
import { storeUsage } from '../storage/sql/store-usage.ts';
import { batchOf } from '../storage/usage-batch.ts';
import type { UsageEvent } from '../storage/usage-event.ts';
import { tenantDocument } from '../tenancy/documents.ts';
import { addAlerts } from './demo/alerts.ts';
import { changeModels, signInTwice } from './demo/history.ts';
import { closeMonth, DEMO_BILLING } from './demo/invoices.ts';
import { DEMO_MODELS, DEMO_PROVIDERS, DEMO_TENANTS, type DemoTenant } from './demo/organisations.ts';
import { addReports } from './demo/reports.ts';
import { demoHistory, demoTraffic } from './demo/traffic.ts';
import { addWebhooks, receiverResponse } from './demo/webhooks.ts';
import { addWork } from './demo/work.ts';
import { BY_OPERATOR } from './operator.ts';
import { CommandError, type Output } from './output.ts';
import { serve } from './serve.ts';
import { withStores } from './stores.ts';
import { limitsFrom } from './values.ts';

export interface DemoOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly output: Output;
  readonly version: string;
  /** An empty folder that keeps the data; a temporary one when absent. */
  readonly dataDir?: string | undefined;
  /** The same seed generates the same traffic. */
  readonly seed: string;
  /** False generates the data and ends. */
  readonly serves: boolean;
}

/**
 * Variables that the demo takes over. Others may name databases, keys and providers of a real gateway, which the demo must
 * neither write to nor use.
 */
const KEPT =
  /^(PATH|HOME|TZ|TERM|NO_COLOR|TMPDIR|SystemRoot|SERVER_(HOST|PORT)|METRICS_(HOST|PORT)|LOG_\w+|WEIR_ADMIN_KEY)$/;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Hours of usage in one transaction. */
const HOURS_AT_ONCE = 24;
const MS_BETWEEN_REQUESTS = 700;

/** Generates a week of traffic, and the week before it, in a folder of its own, and serves it. @returns the exit code */
export async function demo(options: DemoOptions): Promise<number> {
  const { output, dataDir, seed, serves, version } = options;
  const folder = dataDir === undefined ? mkdtempSync(join(tmpdir(), 'weir-demo-')) : emptyFolder(dataDir);
  const simulator = createSimulator({ clock: systemClock });
  const server = startFetchServer({
    ...{
      host: '127.0.0.1',
      port: 0,
      handle: async (request) => receiverResponse(request) ?? simulator(await withSpeed(request)),
    },
    onError: (error) => output.err(String(error)),
  });
  const stopped = new AbortController();
  try {
    const file = join(folder, 'weir.yaml');
    const serverUrl = `http://127.0.0.1:${server.port}`;
    writeFileSync(file, configText(`${serverUrl}/v1`));
    const env = environmentOf(options.env, join(folder, 'data'));
    const { password, secrets, requests } = await generate({
      ...{ env, file, output, seed, clock: systemClock, receiverUrl: serverUrl },
    });
    output.out(
      `Generated ${requests.toLocaleString('en')} requests of two weeks and the month before, from the seed "${seed}".`,
    );
    if (!serves) return 0;
    const [owner] = DEMO_TENANTS;
    output.out(
      `All people have the password ${password}, such as ${owner?.people[0]?.address}@${owner?.id}.example, who owns ${owner?.name}.`,
    );
    output.out(
      dataDir === undefined
        ? 'The data is deleted when the demo ends. --data-dir keeps it.'
        : `The data stays in ${folder}.`,
    );
    return await serve({
      ...{ env, cwd: folder, file, output, version },
      onReady: (url) => {
        const [first] = secrets;
        const { signal } = stopped;
        if (first) void addWork(url, first.secret, signal, (error) => output.err(String(error)));
        void sendTraffic(url, secrets, createRandom(`${seed} live`), systemClock, signal);
      },
    });
  } finally {
    stopped.abort();
    server.terminate();
    if (dataDir === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/** Questions that ask for the same: the simulator responds to them with the same text, as a model would. */
const PARAPHRASES = [
  ['Could you please tell me where my order is?', 'Where is my order?'],
  ['Where is my order? Thanks!', 'Where is my order?'],
  ['How can I reset my password?', 'How do I reset my password?'],
  ['Please summarise the week.', 'Summarise the week.'],
] as const;

/** Adds the options of the model, so that its name stays plain. */
async function withSpeed(request: Request): Promise<Request> {
  let body = await request.text();
  for (const [question, same] of PARAPHRASES) body = body.replace(question, same);
  const upstream = /"model":"([^"]+)"/.exec(body)?.[1];
  const options = DEMO_MODELS.find((model) => model.upstream === upstream)?.options;
  const headers = new Headers(request.headers);
  if (options !== undefined) headers.set(OPTIONS_HEADER, options);
  return new Request(request.url, {
    ...{ method: request.method, headers, signal: request.signal },
    ...(body === '' ? {} : { body }),
  });
}

/** @throws CommandError for a folder that has content: the demo never mixes invented data with real data */
function emptyFolder(path: string): string {
  const folder = resolve(path);
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new CommandError(
      `The folder ${folder} is not empty. The demo writes invented tenants and traffic, so it uses an empty folder only: name another one with --data-dir, or omit it for a temporary folder. Nothing was changed.`,
    );
  }
  mkdirSync(folder, { recursive: true });
  return folder;
}

function environmentOf(
  env: Readonly<Record<string, string | undefined>>,
  dataDir: string,
): Record<string, string | undefined> {
  return {
    // The demo is for the person at this machine, whatever a real gateway listens on.
    SERVER_HOST: '127.0.0.1',
    ...Object.fromEntries(Object.entries(env).filter(([name]) => KEPT.test(name))),
    // Webhooks go to the demo itself.
    ...{ WEIR_DATA_DIR: dataDir, WEIR_DETECT_ENGINES: '0', WEIR_WEBHOOKS_ALLOW_PRIVATE: '1' },
  };
}

function configText(simulatorUrl: string): string {
  return stringify({
    cache: { semantic: { mode: 'shadow', embedder: 'embeddings', timeout: '1s', verify: { share: 1 } } },
    billing: DEMO_BILLING,
    guardrails: [{ id: 'personal-data', kind: 'pii', action: 'redact' }],
    providers: DEMO_PROVIDERS.map((id) => ({
      ...{ id, kind: 'openai-compatible', base_url: simulatorUrl, discover: false },
    })),
    models: DEMO_MODELS.map(({ id, providers, upstream, price }) => ({
      ...{ id, price },
      targets: providers.map((provider) => ({ provider, model: upstream })),
      // One serves what the others only report.
      ...(id === 'assistant-mini' && { cache: { semantic: { mode: 'serve' } } }),
    })),
  });
}

interface Generation {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly file: string;
  readonly output: Output;
  readonly seed: string;
  readonly clock: Pick<Clock, 'wallTime'>;
  /** Where webhooks are sent. */
  readonly receiverUrl: string;
}

/** A key that sends live traffic. */
interface LiveKey {
  readonly secret: string;
  readonly models: readonly string[];
  readonly tags: readonly string[];
}

interface Generated {
  /** Of all people. */
  readonly password: string;
  readonly secrets: readonly LiveKey[];
  readonly requests: number;
}

/** Creates tenants, people and keys as commands do, and stores usage as the gateway does. */
async function generate({ env, file, output, seed, clock, receiverUrl }: Generation): Promise<Generated> {
  const { config } = loadConfig({ env, cwd: '.', catalog: CONFIG_CATALOG, file });
  const [databases = ''] = sqliteFolders(config);
  const password = randomBytes(9).toString('base64url');
  const now = clock.wallTime();
  const lastMonth = monthBefore(now);
  return withStores(config, env, output, async (stores, billing) => {
    const secrets: LiveKey[] = [];
    let requests = 0;
    for (const tenant of DEMO_TENANTS) {
      const random = createRandom(`${seed} ${tenant.id}`);
      const { names, live } = await createTenant(stores, tenant, password, receiverUrl);
      secrets.push(...live);
      const traffic = { tenant, names, end: now, random };
      const weeks = demoTraffic(traffic);
      // A day more than the month has, for time zones.
      const since = Math.ceil((now - lastMonth + DAY_MS) / HOUR_MS);
      const hours = [...demoHistory(traffic, since), ...weeks];
      await store(stores, databases, tenant, hours);
      await setBudgets(stores, tenant, names, hours.flat(), now);
      requests += hours.flat().reduce((sum, event) => sum + event.requests, 0);
    }
    await changeModels(stores);
    const [owner] = DEMO_TENANTS;
    if (owner) {
      await addReports(stores, config, owner.id, now);
      await addAlerts(stores, config, env, owner.id, receiverUrl);
    }
    await closeMonth(await billing.load(), monthText(lastMonth), monthText(now));
    return { password, secrets, requests };
  });
}

type Names = Map<string, { readonly id: string; readonly member: string | null }>;

/** @returns the start of the month before, in Unix milliseconds (UTC) */
function monthBefore(now: number): number {
  const date = new Date(now);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - 1);
}

/** @returns a month as `2026-11`, in UTC */
const monthText = (at: number): string => new Date(at).toISOString().slice(0, 7);

async function createTenant(
  stores: Stores,
  { id, name, timeZone, people, keys: wanted, prompts: saved = [], hasWebhooks }: DemoTenant,
  password: string,
  receiverUrl: string,
): Promise<{ readonly names: { readonly keys: Names }; readonly live: readonly LiveKey[] }> {
  const { tenants, users, members, keys, invitations, prompts } = stores;
  const scope = { tenant: id };
  const document = tenantDocument.parse({ time_zone: timeZone, request_log: { days: 7 } });
  await tenants.create({ id, name, tier: null, document }, BY_OPERATOR);
  // Before what they report.
  if (hasWebhooks) await addWebhooks(stores, id, receiverUrl);
  const owners: string[] = [];
  for (const person of people) {
    const email = `${person.address}@${id}.example`;
    const user = await users.create({ email, name: person.name, password }, BY_OPERATOR);
    owners.push(user.id);
    const { role } = person;
    await members.add(scope, { id: user.id, kind: 'user', email, name: person.name, role }, BY_OPERATOR);
  }
  const [owner] = owners;
  if (owner !== undefined) await signInTwice(stores, owner, people[0]?.name ?? '');
  const invited = { email: `new.colleague@${id}.example`, role: 'developer' as const };
  await invitations.create(scope, invited, BY_OPERATOR);
  const names: Names = new Map();
  const live: LiveKey[] = [];
  for (const { name: keyName, owner, models, tags, state, budgetUse = 0 } of wanted) {
    const member = owner === undefined ? null : (owners[owner] ?? null);
    const { key, secret } = await keys.create(scope, { kind: 'api_key', name: keyName, member }, BY_OPERATOR);
    names.set(keyName, { id: key.id, member });
    if (state === 'paused')
      await keys.update(scope, 'api_key', key.id, { paused: true }, undefined, BY_OPERATOR);
    if (state === 'revoked') await keys.revoke(scope, 'api_key', key.id, undefined, BY_OPERATOR);
    if (state === undefined && budgetUse < 1) live.push({ secret, models, tags });
  }
  const [author] = people;
  const actor = { ...BY_OPERATOR.actor, id: `user:${owner ?? ''}`, name: author?.name ?? '' };
  for (const { name: promptName, ...content } of saved) {
    await prompts.create(scope, promptName, content, { ...BY_OPERATOR, actor });
  }
  return { names: { keys: names }, live };
}

/** The batches that a gateway would have stored: one for each hour. */
async function store(
  { access }: Stores,
  folder: string,
  { id }: DemoTenant,
  hours: readonly (readonly UsageEvent[])[],
): Promise<void> {
  const placement = access.tenant(id)?.placement;
  if (!placement) throw new Error(`the tenant ${id} has no database`);
  const database = openSqliteUsage(sqlitePath(folder, placement.database));
  try {
    for (let at = 0; at < hours.length; at += HOURS_AT_ONCE) {
      const part = hours.slice(at, at + HOURS_AT_ONCE);
      const batches = part.map((events, index) => batchOf(`demo-${id}-${at + index}`, events));
      await storeUsage(database, batches);
    }
  } finally {
    await database.close();
  }
}

/** Sets budgets so that the use of this month is the wanted share of each. */
async function setBudgets(
  { keys, tenants, access }: Stores,
  { id, keys: wanted, budgetUse, timeZone }: DemoTenant,
  names: { readonly keys: Names },
  events: readonly UsageEvent[],
  now: number,
): Promise<void> {
  // One for all events: making it takes a third of the generation otherwise.
  const months = new Intl.DateTimeFormat('en', { timeZone, year: 'numeric', month: 'numeric' });
  const month = months.format(now);
  const recent = events.filter(({ at }) => months.format(at) === month);
  const budgetOf = (own: readonly UsageEvent[], use: number) => {
    const dollars = own.reduce((sum, { costPico }) => sum + (costPico ?? 0), 0) / 1e12;
    return limitsFrom([], [Math.max(0.01, dollars / use).toFixed(2)]) ?? [];
  };
  for (const { name, budgetUse: use } of wanted) {
    const key = names.keys.get(name);
    if (!key || use === undefined) continue;
    const own = recent.filter(({ keyId }) => keyId === key.id);
    const change = { limits: budgetOf(own, use) };
    await keys.update({ tenant: id }, 'api_key', key.id, change, undefined, BY_OPERATOR);
  }
  if (budgetUse === undefined) return;
  const document = access.tenant(id)?.document;
  if (!document) return;
  await tenants.update(
    id,
    { document: { ...document, limits: budgetOf(recent, budgetUse) } },
    undefined,
    BY_OPERATOR,
  );
}

/** Sends requests until it is stopped, so that pages show what happens now. */
async function sendTraffic(
  url: string,
  keys: readonly LiveKey[],
  random: Random,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const questions = [
    'Where is my order?',
    'Could you please tell me where my order is?',
    'Where is my order? Thanks!',
    'How do I reset my password?',
    'How can I reset my password?',
    'How do I not reset my password?',
    'Please summarise the week.',
    'Summarise the week.',
    'Which route is faster?',
    'Write to the patient at jo.miller@example.com.',
  ];
  while (!signal.aborted) {
    const { secret, models, tags } = random.pick(keys);
    const model = random.pick(models);
    const isChat = model !== 'embeddings';
    // Numbers differ where a cache is not to serve.
    const text =
      random.int(2) === 0 ? random.pick(questions) : `${random.pick(questions)} (${random.int(12)})`;
    const body = isChat ? { messages: [{ role: 'user', content: text }], stream: true } : { input: text };
    const headers: Record<string, string> = {
      authorization: `Bearer ${secret}`,
      'content-type': 'application/json',
      ...(tags.length > 0 && { 'x-weir-tags': tags.join(',') }),
    };
    try {
      await clock.sleep(random.int(2 * MS_BETWEEN_REQUESTS), signal);
      const path = isChat ? '/v1/chat/completions' : '/v1/embeddings';
      const init = { method: 'POST', headers, body: JSON.stringify({ model, ...body }), signal };
      await (await fetch(url + path, init)).arrayBuffer();
    } catch {
      // The demo ends, or this request failed: the console shows it.
    }
  }
}
