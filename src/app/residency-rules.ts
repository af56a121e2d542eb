import type { Config } from '../config/schema.ts';
import { GatewayError } from '../core/errors.ts';
import { isInRegions, type TenantResidency } from '../core/region.ts';
import { type ResidencyDocument, residencyOf } from '../tenancy/residency-document.ts';

/** Why a residency cannot be given to a tenant. */
export interface ResidencyFault {
  readonly param: string;
  readonly message: string;
}

/**
 * @param server with the tenant's data; empty for the default one
 * @returns undefined where the regions exist, and the server is in one that the tenant allows or of unknown region
 */
export function residencyFault(
  config: Config,
  document: ResidencyDocument,
  server: string,
): ResidencyFault | undefined {
  const residency = residencyOf(document);
  const known = config.regions.map(({ id }) => id);
  const unknown = residency && [residency.region, ...residency.failover].find((id) => !known.includes(id));
  if (unknown !== undefined) {
    const there = known.length === 0 ? 'there are none' : `there are: ${known.join(', ')}`;
    return {
      param: unknown === document.region ? 'residency.region' : 'residency.failover',
      message: `Region "${unknown}" is not in the configuration ("regions"); ${there}.`,
    };
  }
  const place = regionOfServer(config, server);
  if (!residency || place === null || isInRegions(place, residency.allowed)) return undefined;
  const name = server === '' ? 'The default database server' : `The database server "${server}"`;
  return {
    param: 'residency',
    message: `${name}, which has the data of this tenant, is in region ${place}; the residency allows ${residency.allowed.join(', ')}. Create the tenant on a server there ("storage.servers"), or allow the region.`,
  };
}

/** @returns the first database server in a tenant's home region; undefined for the default one */
export function serverIn(
  { storage }: Config,
  { region }: Pick<TenantResidency, 'region'>,
): string | undefined {
  return storage.servers.find((one) => one.region === region)?.id;
}

/** @throws GatewayError `invalid_request` as `residencyFault` finds it */
export function assertResidency(config: Config, document: ResidencyDocument, server: string): void {
  const fault = residencyFault(config, document, server);
  if (fault) throw new GatewayError('invalid_request', fault.message, { param: fault.param });
}

/**
 * Selects the database server of a new tenant.
 * @param server the one that was asked for
 * @throws GatewayError `invalid_request`, or `wrong_region` where gateways of its home region must create it
 */
export function serverForTenant(
  config: Config,
  server: string | undefined,
  document: ResidencyDocument | undefined,
): string | undefined {
  if (!document) return server;
  const chosen = server ?? serverIn(config, document);
  assertResidency(config, document, chosen ?? '');
  if (document.region === config.region) return chosen;
  const home = config.regions.find(({ id }) => id === document.region);
  throw new GatewayError(
    'wrong_region',
    `The database of a tenant of region "${document.region}" is created there. Send the request to ${home?.address}.`,
    { param: 'residency.region' },
  );
}

function regionOfServer({ storage }: Config, server: string): string | null {
  if (server === '') return storage.region;
  return storage.servers.find(({ id }) => id === server)?.region ?? null;
}
