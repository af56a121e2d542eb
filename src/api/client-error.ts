import { GatewayError } from '../core/errors.ts';
import { ObjectMissingError, ObjectStorageError } from '../platform/object-storage/object-storage.ts';
import { diskFault } from '../storage/disk-errors.ts';
import { isUnavailable } from '../storage/sql/database-errors.ts';
import { DatabaseSetupError } from '../storage/sql/postgres-setup-error.ts';
import { UnknownTenantError } from '../storage/sql/tenant-databases.ts';
import { tenantNotFound } from '../tenancy/actor.ts';

/**
 * The error that a client sees for a failure of the stores: an unreachable database is not a defect.
 * @returns `not_found`, `store_unavailable`, or `error` itself
 */
export function clientErrorOf(error: unknown): unknown {
  if (error instanceof UnknownTenantError) return tenantNotFound();
  if (error instanceof DatabaseSetupError) {
    return new GatewayError('store_unavailable', error.message, { cause: error, retryAfterSeconds: 60 });
  }
  if (error instanceof ObjectMissingError) {
    return new GatewayError('not_found', 'The content of this file is no longer stored.', { cause: error });
  }
  if (error instanceof ObjectStorageError) {
    const message = 'The storage of files is unreachable, or rejects this: inference goes on. Retry in 30 s.';
    return new GatewayError('store_unavailable', message, { cause: error, retryAfterSeconds: 30 });
  }
  if (!isUnavailable(error)) return error;
  const fault = diskFault(error);
  const what =
    fault === undefined ? 'Database unreachable' : `The database cannot be written, because ${fault}`;
  return new GatewayError(
    'store_unavailable',
    `${what}: administration is not possible now. Inference goes on. Retry in 5 s.`,
    { cause: error, retryAfterSeconds: 5 },
  );
}
