import { z } from 'zod';
import { type LimitDocument, limitList } from '../core/limit-schema.ts';

const TIER = /^[a-z0-9][a-z0-9_-]{0,30}$/;

function preset(perMinute: number, perMonth: number | null): LimitDocument[] {
  const limits: LimitDocument[] = [
    { of: 'requests', per: 'minute', max: perMinute, mode: 'enforce', on_store_loss: 'local' },
  ];
  if (perMonth !== null) {
    limits.push({ of: 'requests', per: 'month', max: perMonth, mode: 'enforce', on_store_loss: 'local' });
  }
  return limits;
}

/** The built-in limits of each tier. */
export const DEFAULT_TIERS: Readonly<Record<string, LimitDocument[]>> = {
  free: preset(10, 1_000),
  basic: preset(100, 100_000),
  pro: preset(1_000, 1_000_000),
  enterprise: preset(10_000, null),
};

/** Tiers by name. They replace built-in tiers of the same name and add others. */
export const tiers = () =>
  z
    .preprocess(
      (value) => value ?? {},
      z.record(z.string().regex(TIER, 'is not a valid tier name'), limitList),
    )
    .prefault({})
    .transform((own) => ({ ...DEFAULT_TIERS, ...own }));
