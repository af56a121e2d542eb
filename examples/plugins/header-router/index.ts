import type { Plugin } from 'weir/plugin';

interface Config {
  readonly header: string;
  readonly routes: Readonly<Record<string, string>>;
  readonly strict: boolean;
}

/** Selects the target of a request by the value of a header, such as the customer's region or plan. */
export default {
  apiVersion: 1,
  name: 'header-router',
  version: '1.0.0',
  description: 'Selects targets by a request header.',
  config: {
    type: 'object',
    properties: {
      header: { type: 'string', pattern: '^[a-z0-9-]+$', description: 'The header, in lower case.' },
      routes: {
        type: 'object',
        minProperties: 1,
        additionalProperties: { type: 'string' },
        description: 'By value of the header: a provider, or `provider/upstream-model`.',
      },
      strict: {
        type: 'boolean',
        default: false,
        description: 'Whether other targets of the model must not serve such requests.',
      },
    },
    required: ['header', 'routes'],
    additionalProperties: false,
  },
  setup({ header, routes, strict }, host) {
    const byValue = new Map(Object.entries(routes));
    return {
      strategy: {
        order({ headers, targets }) {
          const wanted = byValue.get(headers[header] ?? '');
          if (wanted === undefined) return undefined;
          const order = targets.flatMap(({ provider, model }, index) =>
            provider === wanted || `${provider}/${model}` === wanted ? [index] : [],
          );
          if (order.length === 0) host.count('unmatched_routes');
          return { order, only: strict };
        },
      },
    };
  },
} satisfies Plugin<Config>;
