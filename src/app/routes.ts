import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { addDryRunRoute } from '../api/admin/dry-run.ts';
import { addEngineAdminRoutes } from '../api/admin/engines.ts';
import { addExperimentAdminRoutes } from '../api/admin/experiments.ts';
import { keyRoutes } from '../api/admin/keys.ts';
import { memberRoutes } from '../api/admin/members.ts';
import { platformRoutes } from '../api/admin/platform.ts';
import { addAdminRoutes } from '../api/admin/route.ts';
import { addRoutingAdminRoutes } from '../api/admin/routing.ts';
import type { AdminServices } from '../api/admin/services.ts';
import { tenantRoutes } from '../api/admin/tenants.ts';
import { usageRoutes } from '../api/admin/usage.ts';
import { usageEventRoutes } from '../api/admin/usage-events.ts';
import { userRoutes } from '../api/admin/users.ts';
import { addAnthropicRoutes } from '../api/anthropic/endpoints.ts';
import { addAuthRoutes } from '../api/auth/routes.ts';
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
  addRoutingAdminRoutes(router, services);
  addEngineAdminRoutes(router, services);
  addExperimentAdminRoutes(router, services);
  addDryRunRoute(router, services);
  const adminRoutes = [
    ...tenantRoutes(admin),
    ...memberRoutes(admin),
    ...keyRoutes(admin),
    ...userRoutes(admin),
    ...platformRoutes(admin),
    ...usageRoutes(admin),
    ...usageEventRoutes(admin),
  ];
  addAdminRoutes(router, admin, adminRoutes);
  addAuthRoutes(router, {
    api: services,
    admin,
    providers: stores.identityProviders,
    box: stores.box,
    tokenLifetimeMs: () => config().auth.token,
    publicUrl: () => config().auth.public_url,
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
      const { describeApi } = await import('../api/description.ts');
      return describeApi(
        version,
        adminRoutes.map(({ document }) => document),
      );
    },
    readAsset: async (name) =>
      new Uint8Array(await readFile(fileURLToPath(import.meta.resolve(`swagger-ui-dist/${name}`)))),
  });
}
