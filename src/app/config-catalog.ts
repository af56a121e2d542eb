import type { ConfigCatalog } from '../config/catalog.ts';
import { INTERCEPTORS } from '../pipeline/order.ts';
import { PROVIDERS } from './provider-registry.ts';

/** The providers and interceptors of this build, on which the configuration's schema depends. */
export const CONFIG_CATALOG: ConfigCatalog = { ...PROVIDERS.catalog, interceptors: INTERCEPTORS };
