import { alertOf } from '../alerts/alert.ts';
import { testContent, timeText } from '../alerts/message.ts';
import type { Alerts } from '../alerts/services.ts';
import { type SilenceMatcher, silenceMatcher } from '../alerts/silences.ts';
import { createAlerts } from '../app/alerts.ts';
import { parseDuration } from '../config/units.ts';
import { systemClock } from '../core/clock.ts';
import { listAlerts } from '../storage/sql/alert-store.ts';
import { BY_OPERATOR } from './operator.ts';
import { CommandError, type StoreCommand, table } from './output.ts';
import { assertTenant, withStores } from './stores.ts';

interface OwnerOption {
  readonly tenant?: string;
  readonly json?: boolean;
}
export interface AlertListOptions extends OwnerOption {
  readonly history?: boolean;
}
export interface SilenceOptions extends OwnerOption {
  readonly match: readonly string[];
  readonly for: string;
  readonly comment: string;
}

const MAX_LISTED = 200;

function withAlerts(
  command: StoreCommand,
  tenant: string | undefined,
  work: (alerts: Alerts) => Promise<void>,
): Promise<void> {
  const { config, env, output } = command;
  return withStores(config, env, output, async (stores) => {
    if (tenant !== undefined) assertTenant(stores.access, tenant);
    const { alerts } = createAlerts({
      ...{ config: () => config, env, stores, clock: systemClock, instance: 'command' },
      // Commands evaluate nothing.
      limitUses: async () => [],
      onFailure: () => undefined,
    });
    await work(alerts);
  });
}

/** Lists alerts: those that fire or are pending, with `--history` also those that ended. */
export async function listAlertsCommand(command: StoreCommand, options: AlertListOptions): Promise<void> {
  const { output } = command;
  const { tenant, history = false, json = false } = options;
  await withAlerts(command, tenant, async ({ control }) => {
    const states = history ? ['pending', 'firing', 'resolved'] : ['pending', 'firing'];
    const rows = await listAlerts(control, { tenant, states, limit: MAX_LISTED });
    const alerts = rows.map(alertOf);
    if (json) output.out(JSON.stringify(alerts));
    else if (alerts.length === 0) output.err(history ? 'There are no alerts.' : 'No alert fires.');
    else {
      output.out(
        table(
          ['STATE', 'SEVERITY', 'RULE', 'TENANT', 'SINCE', 'SUMMARY'],
          alerts.map(({ state, severity, rule, tenant: of, since, summary }) => [
            ...[state, severity, rule, of ?? '', timeText(since), summary],
          ]),
        ),
      );
    }
  });
}

/** Creates a silence that begins now. */
export async function silenceCommand(command: StoreCommand, options: SilenceOptions): Promise<void> {
  const { output } = command;
  const { tenant, json = false, comment } = options;
  const length = parseDuration(options.for);
  if (length === undefined || length === 0) {
    throw new CommandError(`--for ${JSON.stringify(options.for)} is not a time, such as 2h.`);
  }
  const matchers = options.match.map(matcherOf);
  if (matchers.length === 0) throw new CommandError('--match is required, such as --match rule=latency.');
  await withAlerts(command, tenant, async ({ silences }) => {
    const startsAt = systemClock.wallTime();
    const wanted = { matchers, comment, startsAt, endsAt: startsAt + length };
    const silence = await silences.create(tenant ?? null, wanted, BY_OPERATOR);
    if (json) output.out(JSON.stringify(silence));
    else output.out(`Created the silence ${silence.id}, until ${timeText(silence.endsAt)}.`);
  });
}

function matcherOf(text: string): SilenceMatcher {
  const [, label, not, value] = /^(\w+)(!?)=(.*)$/s.exec(text) ?? [];
  const { data } = silenceMatcher.safeParse({ label, value, not: not === '!' });
  if (data) return data;
  throw new CommandError(
    `--match ${JSON.stringify(text)} is not valid: expected a label and a value, such as rule=latency or model!=fast.`,
  );
}

/** Sends a test message. @param wanted id or name of a receiver; undefined for all */
export async function testReceiversCommand(
  command: StoreCommand,
  wanted: string | undefined,
  { tenant, json = false }: OwnerOption,
): Promise<void> {
  const { output } = command;
  await withAlerts(command, tenant, async ({ receivers, sender, settings, sources }) => {
    const all = await receivers.list(tenant ?? null);
    const found = all.filter(
      ({ receiver: { id, name } }) => wanted === undefined || wanted === id || wanted === name,
    );
    if (found.length === 0) throw new CommandError('There is no such receiver.');
    const results: { readonly receiver: string; readonly type: string; readonly error: string | null }[] = [];
    for (const { receiver } of found) {
      const now = systemClock.wallTime();
      const content = testContent(sources.newId('msg'), tenant ?? null, now, settings());
      const { error } = await sender.attempt(receiver, content, now);
      results.push({ receiver: receiver.name, type: receiver.type, error });
    }
    if (json) output.out(JSON.stringify(results));
    else {
      const rows = results.map(({ receiver, type, error }) => [receiver, type, error ?? 'delivered']);
      output.out(table(['RECEIVER', 'TYPE', 'RESULT'], rows));
    }
    const failed = results.filter(({ error }) => error !== null).length;
    if (failed > 0) throw new CommandError(`${failed} of ${results.length} messages were not delivered.`);
  });
}
