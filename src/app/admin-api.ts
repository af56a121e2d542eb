import { alertRoutes } from '../api/admin/alerts.ts';
import { asyncRequestRoutes } from '../api/admin/async-requests.ts';
import { auditRoutes } from '../api/admin/audit.ts';
import { batchRoutes } from '../api/admin/batches.ts';
import { billingRoutes } from '../api/admin/billing.ts';
import { cacheRoutes } from '../api/admin/cache.ts';
import { configRoutes } from '../api/admin/config.ts';
import { addDryRunRoute } from '../api/admin/dry-run.ts';
import { addEngineAdminRoutes } from '../api/admin/engines.ts';
import { addEventStreamRoutes } from '../api/admin/event-stream.ts';
import { eventRoutes } from '../api/admin/events.ts';
import { addExperimentAdminRoutes } from '../api/admin/experiments.ts';
import { exportRoutes } from '../api/admin/exports.ts';
import { fileRoutes } from '../api/admin/files.ts';
import { guardrailRoutes } from '../api/admin/guardrails.ts';
import { invoiceRoutes } from '../api/admin/invoices.ts';
import { jobRoutes } from '../api/admin/jobs.ts';
import { keyRoutes } from '../api/admin/keys.ts';
import { limitSimulationRoutes } from '../api/admin/limit-simulation.ts';
import { addLiveRoute } from '../api/admin/live.ts';
import { memberRoutes } from '../api/admin/members.ts';
import { metricRoutes } from '../api/admin/metrics.ts';
import { overviewRoutes } from '../api/admin/overview.ts';
import { platformRoutes } from '../api/admin/platform.ts';
import { promptRoutes } from '../api/admin/prompts.ts';
import { regionRoutes } from '../api/admin/regions.ts';
import { reportRoutes } from '../api/admin/reports.ts';
import { requestLogRoutes } from '../api/admin/request-log.ts';
import { requestRoutes } from '../api/admin/requests.ts';
import { addAdminRoutes, type RegisteredRoute } from '../api/admin/route.ts';
import { addRoutingAdminRoutes } from '../api/admin/routing.ts';
import { semanticCacheRoutes } from '../api/admin/semantic-cache.ts';
import type { AdminServices } from '../api/admin/services.ts';
import { tenantRoutes } from '../api/admin/tenants.ts';
import { usageRoutes } from '../api/admin/usage.ts';
import { usageEventRoutes } from '../api/admin/usage-events.ts';
import { usageForecastRoutes } from '../api/admin/usage-forecast.ts';
import { userRoutes } from '../api/admin/users.ts';
import { webhookRoutes } from '../api/admin/webhooks.ts';
import type { ApiServices } from '../api/services.ts';
import type { Billing } from '../billing/services.ts';
import type { HttpRouter } from '../http/http-router.ts';

/** Routes of the admin API that describe themselves. */
export function adminRoutes(admin: AdminServices, billing: Billing): RegisteredRoute[] {
  return [
    ...tenantRoutes(admin),
    ...memberRoutes(admin),
    ...keyRoutes(admin),
    ...userRoutes(admin),
    ...platformRoutes(admin),
    ...regionRoutes(admin),
    ...auditRoutes(admin),
    ...usageRoutes(admin),
    ...usageEventRoutes(admin),
    ...usageForecastRoutes(admin),
    ...limitSimulationRoutes(admin),
    ...metricRoutes(admin),
    ...requestRoutes(admin),
    ...overviewRoutes(admin),
    ...requestLogRoutes(admin),
    ...promptRoutes(admin),
    ...cacheRoutes(admin),
    ...semanticCacheRoutes(admin),
    ...guardrailRoutes(admin),
    ...eventRoutes(admin),
    ...webhookRoutes(admin),
    ...alertRoutes(admin),
    ...batchRoutes(admin),
    ...fileRoutes(admin),
    ...asyncRequestRoutes(admin),
    ...jobRoutes(admin),
    ...reportRoutes(admin),
    ...exportRoutes(admin),
    ...configRoutes(admin),
    ...billingRoutes(billing),
    ...invoiceRoutes(billing),
  ];
}

/** Everything under `/admin/`. Loaded with the first request for it. */
export function addAdminApi(
  router: HttpRouter,
  services: ApiServices,
  admin: AdminServices,
  billing: Billing,
): void {
  addRoutingAdminRoutes(router, services);
  addEngineAdminRoutes(router, services);
  addExperimentAdminRoutes(router, services);
  addDryRunRoute(router, services);
  addLiveRoute(router, services, admin.access);
  addEventStreamRoutes(router, services, admin);
  addAdminRoutes(router, admin, adminRoutes(admin, billing));
}
