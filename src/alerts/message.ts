import { z } from 'zod';
import { ALERT_KINDS, ALERT_SEVERITIES } from '../core/alert.ts';
import { type Alert, type AlertLinks, consoleLink, runbookOf } from './alert.ts';

const messageAlert = z.object({
  id: z.string(),
  tenant: z.string().nullable(),
  rule: z.string(),
  kind: z.enum(ALERT_KINDS),
  subject: z.string(),
  severity: z.enum(ALERT_SEVERITIES),
  status: z.enum(['firing', 'resolved']),
  summary: z.string(),
  value: z.number(),
  threshold: z.number().nullable(),
  unit: z.string(),
  /** Unix milliseconds. */
  since: z.number(),
  resolvedAt: z.number().nullable(),
  console: z.string().nullable(),
  runbook: z.string(),
});

/** What a message says; stored until it is sent. */
export const messageContent = z.object({
  /** Identifies the message, also when it is sent again. */
  id: z.string(),
  /** The same for all messages from the first alert of a group to its recovery. */
  episode: z.string(),
  status: z.enum(['firing', 'resolved']),
  rule: z.string(),
  alerts: z.array(messageAlert),
  /** Alerts beyond those that are listed. */
  more: z.number(),
  isRepeated: z.boolean(),
  isTest: z.boolean(),
});
export type MessageContent = z.output<typeof messageContent>;
export type MessageAlert = z.output<typeof messageAlert>;

/** @returns an alert as messages show it */
export function messageAlertOf(alert: Alert, links: AlertLinks): MessageAlert {
  const { id, tenant, rule, kind, subject, severity, summary, value, threshold, unit } = alert;
  return {
    ...{ id, tenant, rule, kind, subject, severity, summary, value, threshold, unit },
    status: alert.state === 'resolved' ? 'resolved' : 'firing',
    ...{ since: alert.since, resolvedAt: alert.resolvedAt },
    ...{ console: consoleLink(alert, links), runbook: runbookOf(kind, links) },
  };
}

/** @returns the most urgent severity of the alerts that fire; of all, where none does */
export function severityOf({ alerts }: MessageContent): MessageAlert['severity'] {
  const firing = alerts.filter(({ status }) => status === 'firing');
  const counted = firing.length > 0 ? firing : alerts;
  return ALERT_SEVERITIES.findLast((one) => counted.some(({ severity }) => severity === one)) ?? 'info';
}

/** @returns one line: `Critical: error_rate, 2 firing: 7 % of the requests to fast fail` */
export function titleOf(content: MessageContent): string {
  const { alerts, status, rule, more, isRepeated, isTest } = content;
  const [first] = alerts;
  const count = alerts.filter((alert) => alert.status === 'firing').length + more;
  const many = count > 1 ? `, ${count} firing` : '';
  const prefix = isTest ? 'Test: ' : isRepeated ? 'Still ' : '';
  const word = status === 'resolved' ? 'Resolved' : severityOf(content);
  const capitalised = prefix === '' ? word.charAt(0).toUpperCase() + word.slice(1) : word;
  return `${prefix}${capitalised}: ${rule}${many}: ${first?.summary ?? ''}`;
}

/** @returns a moment for people */
export const timeText = (at: number): string =>
  `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** @returns what an alert is about, and since when: `since 2026-11-21 10:05 UTC, tenant acme` */
export function contextOf({ status, since, resolvedAt, tenant }: MessageAlert): string {
  const when =
    status === 'resolved' && resolvedAt !== null
      ? `from ${timeText(since)} to ${timeText(resolvedAt)}`
      : `since ${timeText(since)}`;
  return tenant === null ? when : `${when}, tenant ${tenant}`;
}

/** @returns the message as text, for mail */
export function plainText(content: MessageContent): string {
  const parts = content.alerts.map((alert) =>
    [
      `${alert.status === 'resolved' ? 'RESOLVED' : alert.severity.toUpperCase()}: ${alert.summary}`,
      `  ${contextOf(alert)}`,
      ...(alert.console === null ? [] : [`  Console: ${alert.console}`]),
      `  Runbook: ${alert.runbook}`,
    ].join('\n'),
  );
  if (content.more > 0) parts.push(`${content.more} more alerts of this rule fire.`);
  return `${parts.join('\n\n')}\n`;
}

/** @returns a message that says that it is a test */
export function testContent(
  id: string,
  tenant: string | null,
  now: number,
  links: AlertLinks,
): MessageContent {
  const alert: Alert = {
    ...{ id: 'alt_test', tenant, rule: 'test', kind: 'error_rate', subject: 'test', labels: {} },
    ...{ severity: 'info', summary: 'This is a test of a receiver. Nothing is wrong.', value: 0 },
    ...{ threshold: null, unit: '', state: 'firing', since: now, firedAt: now, clearSince: null },
    ...{ resolvedAt: null, flaps: 0, updatedAt: now },
  };
  return {
    ...{ id, episode: id, status: 'firing', rule: 'test', more: 0, isRepeated: false, isTest: true },
    alerts: [messageAlertOf(alert, links)],
  };
}
