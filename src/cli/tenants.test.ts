import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CONFIG_CATALOG } from '../app/config-catalog.ts';
import { loadConfig } from '../config/load.ts';
import { CommandError, type StoreCommand } from './output.ts';
import { createTenantCommand, listTenantsCommand, updateTenantCommand } from './tenants.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-tenants-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const written: string[] = [];
const text = `region: eu
regions: [{ id: eu, address: "https://eu.example" }, { id: us, address: "https://us.example" }]
storage:
  region: eu
  servers: [{ id: s-us, region: us, database_url: "sqlite:${join(folder, 'us')}" }]
`;
const env = { WEIR_CONFIG: '/weir.yaml', WEIR_DATA_DIR: join(folder, 'data') };
const command: StoreCommand = {
  env,
  config: loadConfig({
    env,
    cwd: '/',
    catalog: CONFIG_CATALOG,
    readFile: () => new TextEncoder().encode(text),
  }).config,
  output: { out: (line) => written.push(line), err: (line) => written.push(line), colour: false },
};
const NEW = {
  name: undefined,
  tier: undefined,
  server: '',
  timeZone: undefined,
  limit: [],
  budget: [],
  json: false,
};
const CHANGE = {
  name: undefined,
  tier: undefined,
  status: undefined,
  timeZone: undefined,
  limit: [],
  budget: [],
};
const listed = async (): Promise<{ id: string; server: string | null; residency: unknown }[]> => {
  written.length = 0;
  await listTenantsCommand(command, true);
  return JSON.parse(written.join(''));
};
const fault = async (work: Promise<void>): Promise<string> => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof CommandError) return error.message;
  throw new Error('it was accepted');
};

test('a tenant is placed in a region, and on a server there', async () => {
  await createTenantCommand(command, 'acme', {
    ...NEW,
    region: 'us',
    failoverRegions: 'eu',
    wrongRegion: 'forward',
  });
  const residency = { region: 'us', failover: ['eu'], elsewhere: 'forward' };
  expect(await listed()).toContainEqual(expect.objectContaining({ id: 'acme', server: 's-us', residency }));

  await updateTenantCommand(command, 'acme', { ...CHANGE, failoverRegions: '', allowedRegions: 'us' });
  const changed = { ...residency, failover: [], allowed: ['us'] };
  expect(await listed()).toContainEqual(expect.objectContaining({ id: 'acme', residency: changed }));
  await updateTenantCommand(command, 'acme', { ...CHANGE, region: 'none' });
  expect(await listed()).toContainEqual(expect.objectContaining({ id: 'acme', residency: null }));
}, 30_000);

test('wrong regions are rejected with the reason', async () => {
  const create = (more: object) => fault(createTenantCommand(command, 'other', { ...NEW, ...more }));
  expect(await create({ region: 'mars' })).toContain('there are: eu, us');
  expect(await create({ region: 'us', server: 's-us', allowedRegions: 'eu' })).toContain('must include "us"');
  expect(await create({ region: 'eu', server: 's-us' })).toContain(
    '"s-us", which has the data of this tenant, is in region us',
  );
  expect(await create({ failoverRegions: 'us' })).toContain('--region is missing');
  expect(await create({ region: 'eu', wrongRegion: 'maybe' })).toContain('elsewhere');
});
