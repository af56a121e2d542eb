import { contextOf, type MessageAlert, type MessageContent, severityOf, titleOf } from '../message.ts';

/** Teams rejects messages of more than 28 KB. */
const MAX_ALERTS = 12;
const COLOURS = { info: 'Accent', warning: 'Warning', critical: 'Attention' } as const;

/**
 * An Adaptive Card for the Teams workflow "When a Teams webhook request is received".
 * @see https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
 */
export function teamsMessage(content: MessageContent): unknown {
  const shown = content.alerts.slice(0, MAX_ALERTS);
  const more = content.more + content.alerts.length - shown.length;
  const color = content.status === 'resolved' ? 'Good' : COLOURS[severityOf(content)];
  return {
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        contentUrl: null,
        content: {
          ...{
            $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
            type: 'AdaptiveCard',
            version: '1.4',
          },
          body: [
            { ...text(titleOf(content)), weight: 'Bolder', size: 'Medium', color },
            ...shown.flatMap(cardItems),
            ...(more > 0 ? [text(`and ${more} more alerts`)] : []),
          ],
          actions: actionsOf(shown),
        },
      },
    ],
  };
}

function cardItems(alert: MessageAlert): unknown[] {
  return [
    text(alert.summary),
    {
      type: 'FactSet',
      facts: [
        { title: 'Status', value: alert.status === 'resolved' ? 'resolved' : alert.severity },
        { title: 'When', value: escaped(contextOf(alert)) },
        { title: 'Runbook', value: escaped(alert.runbook) },
      ],
    },
  ];
}

function actionsOf([first]: readonly MessageAlert[]): unknown[] {
  if (!first) return [];
  return [
    ...(first.console === null ? [] : [{ type: 'Action.OpenUrl', title: 'Console', url: first.console }]),
    ...(first.runbook.startsWith('http')
      ? [{ type: 'Action.OpenUrl', title: 'Runbook', url: first.runbook }]
      : []),
  ];
}

function text(value: string) {
  return { type: 'TextBlock', text: escaped(value), wrap: true };
}

/** Cards render Markdown: names must not become links. */
function escaped(value: string): string {
  return value.replaceAll(/[\\[\]*_`]/g, '\\$&');
}
