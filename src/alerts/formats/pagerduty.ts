import { contextOf, type MessageContent, severityOf, titleOf } from '../message.ts';
import type { Receiver } from '../receiver.ts';

/** The Events API of PagerDuty. */
export const PAGERDUTY_URL = 'https://events.pagerduty.com/v2/enqueue';
const MAX_SUMMARY = 1_024;
const MAX_ALERTS = 20;

/**
 * An event for PagerDuty. All messages of a group have one `dedup_key`, so that they update and resolve one incident.
 * @see https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
 */
export function pagerDutyEvent(content: MessageContent, { secret }: Receiver): unknown {
  const { status, episode, alerts, rule } = content;
  const shared = { routing_key: secret, dedup_key: episode };
  if (status === 'resolved') return { ...shared, event_action: 'resolve' };
  const [first] = alerts;
  const links = alerts
    .slice(0, MAX_ALERTS)
    .flatMap(({ console: href, runbook }) => [
      ...(href === null ? [] : [{ href, text: 'Console' }]),
      ...(runbook.startsWith('http') ? [{ href: runbook, text: 'Runbook' }] : []),
    ]);
  return {
    ...{ ...shared, event_action: 'trigger', client: 'Weir' },
    ...(first?.console && { client_url: first.console }),
    payload: {
      summary: titleOf(content).slice(0, MAX_SUMMARY),
      source: first?.tenant ?? 'weir',
      severity: severityOf(content),
      ...(first && { timestamp: new Date(first.since).toISOString(), component: first.subject }),
      ...{ group: rule, class: first?.kind ?? rule },
      custom_details: Object.fromEntries(
        alerts.slice(0, MAX_ALERTS).map((alert) => [alert.id, `${alert.summary} (${contextOf(alert)})`]),
      ),
    },
    ...(links.length > 0 && { links }),
  };
}
