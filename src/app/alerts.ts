import { AlertEngine } from '../alerts/alert-engine.ts';
import { alertSettings } from '../alerts/alert-settings.ts';
import type { LimitUse } from '../alerts/limit-use.ts';
import { MessageSender } from '../alerts/message-sender.ts';
import { Notifier } from '../alerts/notifier.ts';
import { Receivers } from '../alerts/receivers.ts';
import { Rules } from '../alerts/rules.ts';
import type { Alerts } from '../alerts/services.ts';
import { Silences } from '../alerts/silences.ts';
import { type AlertTenant, TenantEvaluation } from '../alerts/tenant-evaluation.ts';
import { Transitions } from '../alerts/transitions.ts';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { SubjectLimits } from '../core/limit.ts';
import type { Metrics } from '../observability/metrics.ts';
import { guardedPost } from '../platform/guarded-post.ts';
import { sendMail } from '../platform/mailer.ts';
import { deleteOldAlerts, openAlerts } from '../storage/sql/alert-store.ts';
import { SqlAlertUsage } from '../storage/sql/alert-usage.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import { SqlMetricStore } from '../storage/sql/metric-store.ts';
import type { AuditEntry } from '../storage/sql/tenant-tables.ts';
import type { Stores } from './stores.ts';

export interface AlertOptions {
  readonly config: () => Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stores: Pick<Stores, 'control' | 'databases' | 'sources' | 'outbox' | 'access' | 'alertBox'>;
  readonly clock: Clock;
  /** Names this process, and no other. */
  readonly instance: string;
  /** @returns what is used of limits now */
  readonly limitUses: (subjects: readonly SubjectLimits[]) => Promise<readonly LimitUse[]>;
  /** Absent for commands. */
  readonly metrics?: Pick<Metrics, 'alerts'> | undefined;
  readonly onFailure: (error: unknown) => void;
}

/** Alerts, and the work that a gateway does for them. */
export interface AlertParts {
  readonly alerts: Alerts;
  /** Evaluates rules and stores messages; to be called every 10 seconds. */
  tick(): Promise<void>;
  /** Starts to send messages, where this gateway evaluates; to be called every second. */
  send(): Promise<void>;
  /** Resolves when nothing is being sent. */
  idle(): Promise<void>;
  /** To be called every hour or so. */
  deleteOld(): Promise<void>;
  close(): Promise<void>;
}

/** Allows URLs within the network of the gateway, as for webhooks. */
const ALLOW_PRIVATE_VARIABLE = 'WEIR_WEBHOOKS_ALLOW_PRIVATE';

/** Builds alerts, for a gateway or a command. */
export function createAlerts(options: AlertOptions): AlertParts {
  const { config, env, stores, clock, instance, limitUses, metrics, onFailure } = options;
  const { control, databases, sources, outbox, access, alertBox: box } = stores;
  const { newId } = sources;
  const settings = () => alertSettings(config());
  const allowPrivate = env[ALLOW_PRIVATE_VARIABLE] === '1';
  const audit = (tenant: string | null, entry: AuditEntry) =>
    tenant === null
      ? control.transaction().execute((transaction) => writeAudit(transaction, entry))
      : databases.use({ tenant }, (db) =>
          db.transaction().execute((transaction) => writeAudit(transaction, entry)),
        );
  const rules = new Rules({ control, sources, settings, audit });
  const silences = new Silences({ control, sources, audit });
  const receivers = new Receivers({ control, sources, box, settings, allowPrivate, audit });
  const usage = new SqlAlertUsage(databases, control);
  const series = new SqlMetricStore(databases);
  const families = metrics?.alerts;
  const sender = new MessageSender({
    ...{ control, clock, outbox, allowPrivate, random: Math.random, post: guardedPost, onFailure },
    receivers: () => receivers.enabled(),
    noteOutcome: (receiver, error, now) => receivers.noteOutcome(receiver, error, now),
    mail: () => {
      const server = config().mail;
      return server ? (mail) => sendMail(server, mail) : undefined;
    },
    onSent: (type, outcome) => families?.messages.labels(type, outcome).inc(),
  });
  const limitsIn = (tenant: string) => access.limitsIn(tenant);
  const keyName = (tenant: string, key: string) => access.keyName(tenant, key) ?? key;
  const engine = new AlertEngine({
    ...{ control, clock, settings, usage, onFailure, owner: instance },
    tenants: () =>
      [...access.tenants()].flatMap(({ id, status, document }): AlertTenant[] =>
        status === 'deleted' ? [] : [{ id, timeZone: document.time_zone }],
      ),
    evaluation: new TenantEvaluation({ usage, metrics: series, outbox, limitsIn, limitUses, keyName }),
    transitions: new Transitions({
      ...{ control, outbox, newId },
      onTransition: (event, { rule }) => families?.transitions.labels(rule, event).inc(),
    }),
  });
  const notifier = new Notifier({
    ...{ control, clock, settings, silences, newId },
    receivers: () => receivers.enabled(),
    onAdded: () => undefined,
  });
  const countFiring = async () => {
    families?.firing.reset();
    families?.evaluatedAt.labels().set(Math.floor(clock.wallTime() / 1_000));
    const counts = new Map<string, { readonly labels: [string, string]; count: number }>();
    for (const { state, rule, severity } of await openAlerts(control)) {
      if (state !== 'firing') continue;
      const one = counts.get(`${rule} ${severity}`) ?? { labels: [rule, severity], count: 0 };
      one.count += 1;
      counts.set(`${rule} ${severity}`, one);
    }
    for (const { labels, count } of counts.values()) families?.firing.labels(...labels).set(count);
  };
  return {
    alerts: {
      control,
      settings,
      rules,
      silences,
      receivers,
      sender,
      usage,
      metrics: series,
      limitsIn,
      keyName,
      sources,
      audit,
    },
    tick: async () => {
      const lease = await engine.tick();
      if (!lease) {
        families?.firing.reset();
        return;
      }
      await notifier.run(lease);
      await countFiring();
    },
    send: async () => {
      if (engine.lease) await sender.run();
    },
    idle: () => sender.idle(),
    deleteOld: async () => {
      const now = clock.wallTime();
      if (engine.lease) await deleteOldAlerts(control, now - settings().historyMs, now);
    },
    close: async () => {
      await sender.close();
      await engine.close();
    },
  };
}
