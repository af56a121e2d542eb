import { contextOf, type MessageAlert, type MessageContent, titleOf } from '../message.ts';

/** Slack rejects longer texts, and more blocks. */
const MAX_HEADER = 150;
const MAX_SECTION = 3_000;
const MAX_ALERTS = 20;
const MARKS = { info: '🔵', warning: '🟠', critical: '🔴' } as const;
const RESOLVED_MARK = '🟢';

/**
 * A message for an incoming webhook of Slack.
 * @see https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
 */
export function slackMessage(content: MessageContent): unknown {
  const title = titleOf(content);
  const shown = content.alerts.slice(0, MAX_ALERTS);
  const more = content.more + content.alerts.length - shown.length;
  return {
    // For notifications, and clients without blocks.
    text: escaped(title),
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: shortened(title, MAX_HEADER), emoji: false } },
      ...shown.map(section),
      ...(more > 0 ? [{ type: 'section', text: { type: 'mrkdwn', text: `and ${more} more alerts` } }] : []),
    ],
  };
}

function section(alert: MessageAlert): unknown {
  const links = [
    ...(alert.console === null ? [] : [`<${alert.console}|Console>`]),
    alert.runbook.startsWith('http') ? `<${alert.runbook}|Runbook>` : escaped(`Runbook: ${alert.runbook}`),
  ];
  const isOver = alert.status === 'resolved';
  const mark = isOver ? RESOLVED_MARK : MARKS[alert.severity];
  const text = `${mark} *${isOver ? 'resolved' : alert.severity}*: ${escaped(alert.summary)}\n${escaped(contextOf(alert))}\n${links.join('  ')}`;
  return { type: 'section', text: { type: 'mrkdwn', text: shortened(text, MAX_SECTION) } };
}

/** Names of models and keys must not become links or mentions. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function shortened(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`;
}
