import { z } from 'zod';
import {
  ALERT_KINDS,
  ALERT_METRICS,
  ALERT_RECEIVER_TYPES,
  ALERT_SEVERITIES,
  BUILT_IN_ALERT_RULES,
} from '../core/alert.ts';
import {
  boolean,
  duration,
  fromNumericText,
  integer,
  list,
  nullable,
  secret,
  section,
  text,
} from './fields.ts';

const ID = /^[a-z][a-z0-9_-]{0,62}$/;
const ID_MESSAGE = 'must be 1 to 63 lower-case letters, digits, "_" and "-", beginning with a letter';
const ADDRESS = /^[^\s@<>",;:]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;
/** Minutes have sums of their own, for at least as long. */
const MAX_WINDOW = 3_600_000;
const MINUTE = 60_000;

/** The id of a rule or receiver. */
export const alertId = () => z.string().regex(ID, ID_MESSAGE);

const alertUrl = () =>
  z
    .string()
    .max(2_000)
    .refine(
      (value) => /^https?:\/\/[^/?#\s]+\S*$/i.test(value) && URL.canParse(value),
      'expected an http:// or https:// URL',
    );

/** One rule: of the section `alerts`, and of the admin API. */
export const alertRule = () =>
  z
    .strictObject({
      id: alertId().describe('Its name. The id of a built-in rule replaces that rule.'),
      kind: nullable(z.enum(ALERT_KINDS)).describe('What it watches; null for that of the built-in rule.'),
      enabled: boolean().prefault(true).describe('Whether it is evaluated.'),
      severity: nullable(z.enum(ALERT_SEVERITIES)).describe('How urgent its alerts are.'),
      above: nullable(z.preprocess(fromNumericText, z.number().min(0).max(1e15))).describe(
        'Fires above this value, in the unit of its kind.',
      ),
      metric: nullable(z.enum(ALERT_METRICS)).describe('What it measures, for kinds with several metrics.'),
      model: nullable(text(400)).describe('Watches only this model.'),
      window: nullable(
        duration(1).refine(
          (ms) => ms % MINUTE === 0 && ms <= MAX_WINDOW,
          'must be whole minutes, at most 60m',
        ),
      ).describe('The time that is measured, up to now.'),
      for: nullable(duration(0)).describe('How long its condition has to hold before it fires.'),
      keep_firing: nullable(duration(0)).describe(
        'How long its condition has to be over before it is resolved; longer after each recurrence within an hour.',
      ),
      min_requests: nullable(integer(1, 1_000_000)).describe(
        'Fewer requests in the window say nothing; for unusual use, requests of the hour.',
      ),
    })
    .superRefine(({ id, kind }, context) => {
      if (kind !== null || BUILT_IN_ALERT_RULES.some((one) => one.id === id)) return;
      context.addIssue({
        code: 'custom',
        path: ['kind'],
        message: 'is required: no built-in rule has this id',
      });
    });
export type AlertRuleSettings = z.output<ReturnType<typeof alertRule>>;

/** The members of a receiver: of the section `alerts`, and of the admin API. */
export const alertReceiverFields = {
  type: z.enum(ALERT_RECEIVER_TYPES).describe('The kind of receiver.'),
  url: nullable(alertUrl()).describe(
    'Where messages go: the URL of the webhook, of the incoming webhook of Slack, or of the workflow of Teams. For PagerDuty, another address of its Events API.',
  ),
  secret: nullable(secret()).describe(
    'For PagerDuty the integration key; for webhooks the secret that signs, such as `whsec_...`.',
  ),
  to: list(z.string().max(254).regex(ADDRESS, 'expected an e-mail address')).describe(
    'For e-mail: the addresses, at most 10.',
  ),
  severity: z.enum(ALERT_SEVERITIES).prefault('info').describe('The least urgent alerts that it receives.'),
  rules: list(text(64)).describe('Ids of the rules whose alerts it receives; empty for all.'),
  resolved: boolean().prefault(true).describe('Whether it is notified of recoveries.'),
} as const;

interface ReceiverShape {
  readonly type: (typeof ALERT_RECEIVER_TYPES)[number];
  readonly url: string | null;
  readonly secret: string | null;
  readonly to: readonly string[];
}

const WEBHOOK_SECRET = /^whsec_[A-Za-z0-9+/=]{32,120}$/;
const INTEGRATION_KEY = /^[A-Za-z0-9]{32}$/;
const MAX_ADDRESSES = 10;

/** @returns the member that is wrong or missing, and why; undefined for a receiver that is complete */
export function receiverFault({
  type,
  url,
  secret: key,
  to,
}: ReceiverShape): readonly [string, string] | undefined {
  if (type === 'email') {
    if (to.length === 0) return ['to', 'is required for e-mail'];
    if (to.length > MAX_ADDRESSES) return ['to', `must have at most ${MAX_ADDRESSES} addresses`];
    return undefined;
  }
  if (type === 'pagerduty') {
    return key !== null && INTEGRATION_KEY.test(key)
      ? undefined
      : ['secret', 'must be the integration key of PagerDuty: 32 letters and digits'];
  }
  if (url === null) return ['url', `is required for ${type}`];
  if (type === 'webhook' && key !== null && !WEBHOOK_SECRET.test(key)) {
    return ['secret', 'must be a secret of Standard Webhooks, such as `whsec_...`'];
  }
  return undefined;
}

/** The section `alerts`. */
export const alerts = () =>
  section({
    enabled: boolean().prefault(true).describe('Whether rules are evaluated.'),
    rules: list(alertRule()).describe(
      'Changes of the built-in rules, and further rules. Tenants change theirs with the admin API.',
    ),
    receivers: list(
      z
        .strictObject({
          id: alertId().describe('Its name.'),
          ...alertReceiverFields,
          tenants: boolean()
            .prefault(true)
            .describe('Whether it receives alerts of tenants, too; otherwise only those of the platform.'),
        })
        .superRefine((receiver, context) => {
          const fault = receiverFault(receiver);
          if (fault) context.addIssue({ code: 'custom', path: [fault[0]], message: fault[1] });
        }),
    ).describe('Who is notified by the operator. Tenants set their own with the admin API.'),
    group_wait: duration(0)
      .prefault('30s')
      .describe('How long the first alert of a rule waits for others, which join its message.'),
    group_interval: duration(1)
      .prefault('5m')
      .describe('The shortest time between two messages about the same rule that have news.'),
    repeat_interval: duration(1).prefault('4h').describe('How often an alert that still fires is repeated.'),
    history: duration(1).prefault('24d').describe('How long alerts that ended are kept.'),
    runbooks_url: nullable(alertUrl()).describe(
      'Where the pages of `docs/runbooks` are served, such as `https://runbooks.example.com`. Messages link to them; null names the file instead.',
    ),
  });
