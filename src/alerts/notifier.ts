import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import { parseJsonText } from '../core/json.ts';
import {
  type AlertLease,
  alertsById,
  assertAlertLease,
  openAlerts,
  pendingGroups,
  saveMessage,
} from '../storage/sql/alert-store.ts';
import type { AlertGroupRow, AlertMessageRow } from '../storage/sql/alert-tables.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { type Alert, alertOf } from './alert.ts';
import type { AlertSettings } from './alert-settings.ts';
import { type GroupPlan, type GroupState, planGroup } from './group-plan.ts';
import { type MessageContent, messageAlertOf } from './message.ts';
import { type Receiver, receives } from './receiver.ts';
import { type Silences, silenceOfAlert } from './silences.ts';

export interface NotifierOptions {
  readonly control: Kysely<ControlTables>;
  readonly clock: Clock;
  readonly settings: () => AlertSettings;
  readonly silences: Pick<Silences, 'active'>;
  readonly receivers: () => Promise<readonly Receiver[]>;
  readonly newId: (prefix: string) => string;
  /** Messages were stored. */
  readonly onAdded: () => void;
}

/** Alerts that a message lists. */
const MAX_LISTED = 20;
/** Messages of one run: the rest follow in the next. */
const MAX_MESSAGES = 500;

/** Groups alerts by receiver and rule, and stores the messages that are due. A group has at most one that is not sent yet. */
export class Notifier {
  constructor(private readonly options: NotifierOptions) {}

  /** @throws AlertLeaseLost, or the database's error: what is not stored follows in the next run */
  async run(lease: AlertLease): Promise<void> {
    const { control, clock, settings, silences, receivers } = this.options;
    const now = clock.wallTime();
    const rows = await openAlerts(control);
    const firing = rows.filter(({ state }) => state === 'firing').map(alertOf);
    const groups = await control.selectFrom('alert_groups').selectAll().execute();
    if (firing.length === 0 && groups.length === 0) return;
    const pending = await pendingGroups(control);
    const active = firing.length === 0 ? [] : await silences.active(now);
    const firingIds = new Set(firing.map(({ id }) => id));
    const byTenant = Map.groupBy(firing, ({ tenant }) => tenant);
    const byReceiver = Map.groupBy(groups, ({ receiver }) => receiver);
    let left = MAX_MESSAGES;
    for (const receiver of await receivers()) {
      const known = new Map((byReceiver.get(receiver.id) ?? []).map((row) => [row.group_key, row]));
      byReceiver.delete(receiver.id);
      // There may be thousands of each: a tenant's receiver looks at the alerts of its tenant alone.
      const { tenant } = receiver;
      const candidates = tenant === null ? firing : (byTenant.get(tenant) ?? []);
      const silencing = active.filter((one) => one.tenant === null || one.tenant === tenant);
      const wanted = candidates.filter(
        (alert) => receives(receiver, alert) && !silenceOfAlert(alert, silencing, tenant),
      );
      const byRule = Map.groupBy(wanted, ({ rule }) => rule);
      for (const rule of new Set([...byRule.keys(), ...known.keys()])) {
        if (left === 0 || pending.has(`${receiver.id} ${rule}`)) continue;
        const state = groupState(known.get(rule));
        const plan = planGroup(
          {
            ...{ state, firing: byRule.get(rule) ?? [], isFiring: (id) => firingIds.has(id) },
            wantsResolved: receiver.resolved,
          },
          settings(),
          now,
        );
        if (!plan) continue;
        await this.#store(lease, receiver, rule, state, plan, now);
        left -= 1;
      }
    }
    // Of receivers that were disabled or removed from the configuration.
    for (const receiver of byReceiver.keys()) {
      await control.deleteFrom('alert_groups').where('receiver', '=', receiver).execute();
    }
  }

  async #store(
    lease: AlertLease,
    receiver: Receiver,
    rule: string,
    state: GroupState | undefined,
    plan: GroupPlan,
    now: number,
  ): Promise<void> {
    const { control, newId, onAdded } = this.options;
    const content = plan.isSent ? await this.#content(receiver, rule, state, plan) : undefined;
    const episode = content?.episode ?? state?.episode ?? newId('alg');
    const group: AlertGroupRow = {
      ...{ receiver: receiver.id, group_key: rule, episode },
      ...{ reported: JSON.stringify(plan.reported), sent_at: now },
    };
    const message: AlertMessageRow | undefined = content && {
      ...{ id: content.id, receiver: receiver.id, tenant: receiver.tenant ?? '', group_key: rule },
      ...{ status: content.status, content: JSON.stringify(content), state: 'pending', attempts: 0 },
      ...{ next_at: now, error: null, created_at: now, finished_at: null },
    };
    await control.transaction().execute(async (transaction) => {
      await assertAlertLease(transaction, lease);
      await saveMessage(transaction, message, group, plan.reported.length === 0);
    });
    if (message) onAdded();
  }

  async #content(
    receiver: Receiver,
    rule: string,
    state: GroupState | undefined,
    { firing, resolved, isRepeated }: GroupPlan,
  ): Promise<MessageContent> {
    const { control, settings, newId } = this.options;
    const links = settings();
    const ended = receiver.resolved ? await alertsById(control, resolved.slice(0, MAX_LISTED)) : new Map();
    const recovered = Array.from(ended.values(), (row): Alert => ({ ...alertOf(row), state: 'resolved' }));
    const sorted = [...firing].sort((a, b) => (b.firedAt ?? 0) - (a.firedAt ?? 0));
    const listed = [...sorted, ...recovered].slice(0, MAX_LISTED);
    return {
      ...{ id: newId('msg'), episode: state?.episode ?? newId('alg'), rule, isRepeated, isTest: false },
      status: firing.length === 0 ? 'resolved' : 'firing',
      alerts: listed.map((alert) => messageAlertOf(alert, links)),
      more: Math.max(0, firing.length - listed.length),
    };
  }
}

const ids = z.array(z.string());

function groupState(row: AlertGroupRow | undefined): GroupState | undefined {
  return (
    row && {
      episode: row.episode,
      reported: ids.safeParse(parseJsonText(row.reported)).data ?? [],
      sentAt: row.sent_at,
    }
  );
}
