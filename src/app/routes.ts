import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { AdminServices } from '../api/admin/services.ts';
import { addAnthropicRoutes } from '../api/anthropic/endpoints.ts';
import { addDocsRoutes } from '../api/docs.ts';
import { addModelRoutes } from '../api/models/endpoints.ts';
import { addNativeRoutes } from '../api/native/endpoints.ts';
import { addRerankRoutes } from '../api/native/rerank.ts';
import { addSuggestModelRoutes } from '../api/native/suggest-model.ts';
import { addText2SqlRoutes } from '../api/native/text2sql.ts';
import { addOpenAiRoutes } from '../api/openai/endpoints.ts';
import { addResponsesRoutes } from '../api/openai/responses/endpoints.ts';
import { addOperationsRoutes } from '../api/operations.ts';
import type { ApiServices } from '../api/services.ts';
import { addUsageRoutes } from '../api/usage.ts';
import type { Config } from '../config/schema.ts';
import type { HttpRouter } from '../http/http-router.ts';
import type { Tokenizer } from '../metering/tokenizer.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Stores } from './stores.ts';
import type { UsageParts } from './usage.ts';

export interface RouteParts {
  readonly services: ApiServices;
  readonly admin: AdminServices;
  readonly stores: Stores;
  readonly usage: UsageParts;
  readonly tokenizer: Tokenizer;
  readonly metrics: Metrics;
  readonly version: string;
  /** The configuration in force. */
  readonly config: () => Config;
}

/** Everything that can be asked for over HTTP. */
export function addRoutes(router: HttpRouter, parts: RouteParts): void {
  const { services, admin, stores, usage, tokenizer, metrics, version, config } = parts;
  addOpenAiRoutes(router, services);
  addResponsesRoutes(router, services);
  addAnthropicRoutes(router, services);
  router.routesUnder('/admin/', async () => {
    const { addAdminApi } = await import('./admin-api.ts');
    addAdminApi(router, services, admin);
  });
  router.routesUnder('/v1/auth/', async () => {
    const { addAuthRoutes } = await import('../api/auth/routes.ts');
    addAuthRoutes(router, {
      api: services,
      admin,
      providers: stores.identityProviders,
      box: stores.box,
      tokenLifetimeMs: () => config().auth.token,
      publicUrl: () => config().auth.public_url,
    });
  });
  addUsageRoutes(router, services, { usage: usage.usage, tokenizer });
  addModelRoutes(router, services);
  addNativeRoutes(router, services);
  addRerankRoutes(router, services);
  addText2SqlRoutes(router, services);
  addSuggestModelRoutes(router, services);
  addOperationsRoutes(router, services, { version, metrics });
  addDocsRoutes(router, {
    enabled: () => config().server.docs,
    describe: async () => {
      const [{ describeApi }, { adminRoutes }] = await Promise.all([
        import('../api/description.ts'),
        import('./admin-api.ts'),
      ]);
      return describeApi(
        version,
        adminRoutes(admin).map(({ document }) => document),
      );
    },
    readAsset: async (name) =>
      new Uint8Array(await readFile(fileURLToPath(import.meta.resolve(`swagger-ui-dist/${name}`)))),
  });
}
