import { join } from 'node:path';
import { assertDatabaseName, CONTROL_DATABASE } from './database-server.ts';

/** The folder of tenants' databases. */
export const TENANTS = 'tenants';

/** @returns the file of a database in a folder. @throws Error for a name that Weir never generates */
export function sqlitePath(folder: string, name: string): string {
  assertDatabaseName(name);
  return join(folder, name === CONTROL_DATABASE ? '' : TENANTS, `${name}.sqlite`);
}
