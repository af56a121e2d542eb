import type { Billing } from '../billing/services.ts';
import type { Config } from '../config/schema.ts';
import { lazy } from '../core/lazy.ts';
import type { Stores } from './stores.ts';

/** @returns a function that loads billing at its first call: starts do not wait for it */
export function lazyBilling(
  stores: Pick<Stores, 'control' | 'databases' | 'sources'>,
  config: () => Config,
): () => Billing | Promise<Billing> {
  return lazy(async () => {
    const { createBilling, NO_INVOICE_EVENTS } = await import('./billing.ts');
    return createBilling(stores, config, NO_INVOICE_EVENTS);
  });
}
