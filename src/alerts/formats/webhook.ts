import type { MessageContent } from '../message.ts';

/** The body of a message to a webhook, in the form of Weir's events. */
export function webhookBody(content: MessageContent, _receiver: unknown, at: number): unknown {
  const { id, status, rule, alerts, more, isRepeated, isTest, episode } = content;
  return {
    ...{ id, type: `alert.${status}`, timestamp: new Date(at).toISOString(), test: isTest },
    data: {
      ...{ group: episode, status, rule, repeated: isRepeated, more },
      alerts: alerts.map(({ resolvedAt, since, ...alert }) => ({
        ...alert,
        since: new Date(since).toISOString(),
        resolved_at: resolvedAt === null ? null : new Date(resolvedAt).toISOString(),
      })),
    },
  };
}
