import type { BatchCaller } from '../batches/batch.ts';
import type { Principal } from '../core/principal.ts';
import type { Owner } from '../files/stored-file.ts';
import { clientAddress } from '../http/client-address.ts';
import type { HttpContext } from '../http/http-context.ts';
import type { ApiServices } from './services.ts';

/** @returns to whom belongs what a principal creates */
export function ownerOf({ tenant, keyId, member }: Principal): Owner {
  return { tenant, keyId, member: member ?? null };
}

/** @returns how the caller of a request is found again when it runs later */
export function callerOf(
  { access, snapshot }: Pick<ApiServices, 'access' | 'snapshot'>,
  httpContext: HttpContext,
  { tenant, keyId, keyName }: Principal,
): BatchCaller {
  const kind = access.restrictionsOf(tenant, keyId) ? 'key' : 'tenant';
  return { kind, name: keyName, address: clientAddress(httpContext, snapshot().isProxy) };
}
