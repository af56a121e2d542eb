import type { ConfigCatalog } from '../config/catalog.ts';
import { INTERCEPTORS } from '../pipeline/order.ts';
import { PROVIDERS } from './provider-registry.ts';

/** What the configuration's shape depends on in this build. */
export const CONFIG_CATALOG: ConfigCatalog = { ...PROVIDERS.catalog, interceptors: INTERCEPTORS };
