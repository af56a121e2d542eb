import type { RetentionPolicy } from '../storage/backup/repository/retention.ts';
import { CommandError } from './output.ts';
import { durationFrom } from './values.ts';

export interface RetentionFlags {
  readonly keepLast?: string;
  /** A duration. */
  readonly keepWithin?: string;
  readonly keepHourly?: string;
  readonly keepDaily?: string;
  readonly keepWeekly?: string;
  readonly keepMonthly?: string;
}

/** @returns undefined where no option was given: everything is kept */
export function retentionFrom(flags: RetentionFlags): RetentionPolicy | undefined {
  const { keepLast, keepWithin, keepHourly, keepDaily, keepWeekly, keepMonthly } = flags;
  const policy: RetentionPolicy = {
    ...(keepLast !== undefined && { last: number(keepLast, '--keep-last') }),
    ...(keepWithin !== undefined && { withinMs: durationFrom(keepWithin, '--keep-within') }),
    ...(keepHourly !== undefined && { hourly: number(keepHourly, '--keep-hourly') }),
    ...(keepDaily !== undefined && { daily: number(keepDaily, '--keep-daily') }),
    ...(keepWeekly !== undefined && { weekly: number(keepWeekly, '--keep-weekly') }),
    ...(keepMonthly !== undefined && { monthly: number(keepMonthly, '--keep-monthly') }),
  };
  return Object.keys(policy).length === 0 ? undefined : policy;
}

function number(text: string, option: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new CommandError(`${option} must be a number of backups; got ${JSON.stringify(text)}.`);
}
