import type { Plugin, PluginEvent } from 'weir/plugin';

interface Config {
  readonly webhook_url: string;
  readonly events: readonly string[];
  readonly username: string;
}

const MAX_TEXT = 2_900;

const textOf = ({ name, at, data }: PluginEvent) => {
  const facts = Object.entries(data).map(
    ([key, value]) => `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return `*${name}* at ${new Date(at).toISOString()}\n${facts.join('\n')}`;
};

/** Posts events to a Slack channel by an incoming webhook. */
export default {
  apiVersion: 1,
  name: 'slack-notifier',
  version: '1.0.0',
  description: 'Posts events to a Slack channel.',
  config: {
    type: 'object',
    properties: {
      webhook_url: { type: 'string', pattern: '^https?://', description: 'The URL of the incoming webhook.' },
      events: {
        type: 'array',
        items: { type: 'string' },
        minItems: 1,
        default: ['config.rejected', 'provider.health_changed', 'plugin.ended', 'plugin.disabled'],
        description: 'Names from docs/events.md, or "*" for all.',
      },
      username: { type: 'string', default: 'Weir' },
    },
    required: ['webhook_url'],
    additionalProperties: false,
  },
  setup({ webhook_url: url, events, username }, host) {
    return {
      sink: {
        events,
        async handle(batch) {
          const text = batch.map(textOf).join('\n\n').slice(0, MAX_TEXT);
          const response = await fetch(url, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ username, text }),
            signal: AbortSignal.timeout(5_000),
          });
          await response.body?.cancel();
          if (!response.ok) throw new Error(`Slack responded with HTTP ${response.status}`);
          host.count('messages');
        },
      },
    };
  },
} satisfies Plugin<Config>;
