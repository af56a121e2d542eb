import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { AdminServices } from '../api/admin/services.ts';
import { addConsoleRoutes } from '../api/console.ts';
import { addDocsRoutes } from '../api/docs.ts';
import { addGuideRoutes } from '../api/guide.ts';
import { addOperationsRoutes, stateOf } from '../api/operations.ts';
import type { ApiServices } from '../api/services.ts';
import { addStatusPage } from '../api/status-page.ts';
import type { Config } from '../config/schema.ts';
import { lazy } from '../core/lazy.ts';
import { clientOrigin } from '../http/client-address.ts';
import type { HttpRouter } from '../http/http-router.ts';
import type { Tokenizer } from '../metering/tokenizer.ts';
import type { Metrics } from '../observability/metrics.ts';
import { readConsole } from './console.ts';
import { readGuide } from './guide.ts';
import type { BatchApi } from './inference-api.ts';
import type { Stores } from './stores.ts';
import type { UsageParts } from './usage.ts';

export interface RouteParts {
  readonly services: ApiServices;
  readonly admin: AdminServices;
  readonly stores: Stores;
  readonly usage: UsageParts;
  readonly tokenizer: Tokenizer;
  readonly metrics: Metrics;
  /** Files and batches. */
  readonly batches: BatchApi;
  readonly version: string;
  /** The active configuration. */
  readonly config: () => Config;
}

/**
 * Adds everything that is served over HTTP. Health, metrics and documentation are there at once; the rest is loaded with
 * its first request, so that a start does not wait for it.
 * @returns loads the inference API ahead of its first request
 */
export function addRoutes(router: HttpRouter, parts: RouteParts): () => void | Promise<void> {
  const { services, admin, stores, usage, tokenizer, metrics, version, config, batches } = parts;
  addOperationsRoutes(router, services, { version, metrics });
  const statusPage = addStatusPage(router, {
    version,
    state: () => stateOf(services),
    hasDocs: () => config().server.docs,
    originOf: (httpContext) =>
      config().auth.public_url ?? clientOrigin(httpContext, services.snapshot().isProxy),
  });
  addConsoleRoutes(router, {
    enabled: () => config().server.console,
    read: readConsole,
    newNonce: () => randomBytes(16).toString('hex'),
    statusPage,
  });
  router.routesUnder('/cache/', async () => {
    const { addCacheRoutes } = await import('../api/cache.ts');
    addCacheRoutes(router, services, admin.cache);
  });
  router.routesUnder('/admin/', async () => {
    await services.modelData.load();
    const { addAdminApi } = await import('./admin-api.ts');
    addAdminApi(router, services, admin, await admin.billing());
  });
  const loadAuth = lazy(async () => {
    const { addAuthRoutes } = await import('../api/auth/routes.ts');
    addAuthRoutes(router, {
      api: services,
      admin,
      providers: stores.identityProviders,
      attempts: stores.signInAttempts,
      box: stores.box,
      tokenLifetimeMs: () => config().auth.token,
      publicUrl: () => config().auth.public_url,
      hasConsole: () => config().server.console,
    });
  });
  for (const prefix of ['/v1/auth/', '/login/', '/auth/callback/']) {
    router.routesUnder(prefix, async () => loadAuth());
  }
  addGuideRoutes(router, { enabled: () => config().server.docs, read: () => readGuide() });
  addDocsRoutes(router, {
    enabled: () => config().server.docs,
    describe: async () => {
      const [{ describeApi }, { adminRoutes }, billing] = await Promise.all([
        import('../api/description.ts'),
        import('./admin-api.ts'),
        admin.billing(),
      ]);
      return describeApi(
        version,
        adminRoutes(admin, billing).map(({ document }) => document),
      );
    },
    readAsset: async (name) =>
      new Uint8Array(await readFile(fileURLToPath(import.meta.resolve(`swagger-ui-dist/${name}`)))),
  });
  return router.routesUnder('/', async () => {
    // One after the other: each import is evaluated in one piece, and others are served between the pieces.
    await services.modelData.load();
    const { addInferenceApi } = await import('./inference-api.ts');
    addInferenceApi(router, services, { usage: usage.usage, tokenizer }, batches);
  });
}
