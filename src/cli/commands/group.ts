import { type Command, Option } from 'commander';
import { DEFAULT_TENANT } from '../../core/principal.ts';
import type { StoreCommand } from '../output.ts';

/** What the definitions of commands need. */
export interface CommandTools {
  /** Reads the configuration. */
  readonly stores: () => Promise<StoreCommand>;
  readonly input: () => Promise<string>;
}

/** An option that may be repeated. */
export function repeated(flags: string, description: string): Option {
  return new Option(flags, description)
    .default([], 'none')
    .argParser((value: string, before: readonly string[]) => [...before, value]);
}

/** Adds the options that set limits. */
export function withLimits(command: Command): Command {
  return command
    .addOption(
      repeated('--limit <limit>', 'such as "100 requests per minute"; may be repeated, "none" removes all'),
    )
    .addOption(repeated('--budget <dollars>', 'US dollars per month, or such as "5/day"; may be repeated'));
}

export function withTenant(command: Command, what: string): Command {
  return command.option('--tenant <id>', `the tenant of ${what}`, DEFAULT_TENANT);
}
