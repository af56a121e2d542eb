import { GatewayError } from '../../core/errors.ts';
import { isUnavailable } from '../../storage/sql/database-errors.ts';
import { UnknownTenantError } from '../../storage/sql/tenant-databases.ts';
import { tenantNotFound } from '../../tenancy/actor.ts';

/**
 * The error that a client of the admin API sees for a failure of the stores: an unreachable database is not a defect.
 * @returns `not_found`, `store_unavailable`, or `error` itself
 */
export function clientErrorOf(error: unknown): unknown {
  if (error instanceof UnknownTenantError) return tenantNotFound();
  if (!isUnavailable(error)) return error;
  return new GatewayError(
    'store_unavailable',
    'Database unreachable: administration is not possible now. Inference goes on. Retry in 5 s.',
    { cause: error, retryAfterSeconds: 5 },
  );
}
