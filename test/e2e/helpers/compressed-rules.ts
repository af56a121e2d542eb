import { parse, stringify } from 'yaml';
import { isRecord } from '../../../src/core/json.ts';

/** Durations of rules, and the ones that take their place: long ones stay longer than short ones. */
const COMPRESSED: Readonly<Record<string, string>> = {
  ...{ '1m': '4s', '2m': '4s', '5m': '4s', '30m': '4s', '1h': '4s', '2h': '4s', '6h': '4s' },
  ...{ '1d': '5s', '3d': '5s', '1w': '9s' },
};
/** How long an expression must hold. `2m` outlasts slow scrapes, `15m` the beginning of a series, in which a rate rises. */
const COMPRESSED_FOR: Readonly<Record<string, string>> = {
  ...{ '1m': '1s', '2m': '6s', '5m': '1s', '10m': '1s', '15m': '4s' },
};

function compressed(table: Readonly<Record<string, string>>, duration: string): string {
  const short = table[duration];
  if (short === undefined) throw new Error(`no compressed duration for ${duration}`);
  return short;
}

/**
 * The rules with windows of seconds, so that a test sees alerts fire and clear. Thresholds and everything else are
 * unchanged; promtool tests the rules with their real durations.
 *
 * @param text of a rules file
 * @throws Error for a duration that the tables lack
 */
export function compressRules(text: string): string {
  const document: unknown = parse(text);
  const groups = isRecord(document) && Array.isArray(document.groups) ? document.groups.filter(isRecord) : [];
  return stringify({
    groups: groups.map((group) => ({
      ...group,
      rules: (Array.isArray(group.rules) ? group.rules.filter(isRecord) : []).map((rule) => ({
        ...rule,
        expr: String(rule.expr)
          .replaceAll(/\[(\w+)\]/g, (_, window: string) => `[${compressed(COMPRESSED, window)}]`)
          .replaceAll(/offset (\w+)/g, (_, offset: string) => `offset ${compressed(COMPRESSED, offset)}`),
        ...(typeof rule.for === 'string' && { for: compressed(COMPRESSED_FOR, rule.for) }),
      })),
    })),
  });
}
