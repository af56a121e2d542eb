import type { Dashboard } from '../panel.ts';
import { business } from './business.ts';
import { cost } from './cost.ts';
import { gatewayOverview } from './gateway-overview.ts';
import { gpu } from './gpu.ts';
import { infrastructure } from './infrastructure.ts';
import { operations } from './operations.ts';
import { providerHealth } from './provider-health.ts';
import { queueLimits } from './queue-limits.ts';
import { redisCache } from './redis-cache.ts';
import { tenants } from './tenants.ts';

export const DASHBOARDS: readonly Dashboard[] = [
  gatewayOverview,
  providerHealth,
  gpu,
  tenants,
  cost,
  operations,
  business,
  infrastructure,
  redisCache,
  queueLimits,
];
