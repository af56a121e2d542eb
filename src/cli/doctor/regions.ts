import { clientCertificateProblem } from '../../app/client-tls.ts';
import { offlineSnapshot } from '../../app/offline-snapshot.ts';
import { readRegionTls } from '../../app/regions.ts';
import { isServerKind } from '../../config/guardrail-server-schema.ts';
import type { Config } from '../../config/schema.ts';
import type { UpstreamTls } from '../../platform/http-client.ts';
import { type Finding, messageOf } from './finding.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** How long a region may take to respond. */
const TIMEOUT_MS = 3_000;
const CHECK = 'regions';

/**
 * What regions need: one control database and one secret, known regions of everything that gets prompts, and gateways that
 * respond at the addresses of the other regions.
 * @returns nothing where the gateway has no region
 */
export async function checkRegions(
  config: Config,
  env: Environment,
  ask?: (url: string) => Promise<number>,
): Promise<Finding[]> {
  const { region, regions } = config;
  if (region === null) return [];
  let tls: UpstreamTls | undefined;
  try {
    tls = readRegionTls(config.region_routing);
    const problem = clientCertificateProblem(tls ?? {}, '"region_routing.tls.cert"', Date.now());
    if (problem !== undefined) throw new Error(problem);
  } catch (error) {
    const advice = 'Correct or renew the files of "region_routing.tls".';
    return [{ check: CHECK, level: 'problem', message: messageOf(error), advice }];
  }
  const others = regions.filter(({ id }) => id !== region);
  const reached = await Promise.all(
    others.map(async ({ id, address }) =>
      reachFinding(id, address, await outcomeOf(ask ?? statusOf(tls), address)),
    ),
  );
  return [
    ...(others.length > 0 ? storeFindings(config, env) : []),
    ...(await unknownRegions(config, env)),
    ...reached,
  ];
}

function storeFindings({ storage }: Config, env: Environment): Finding[] {
  const findings: Finding[] = [];
  if (/^sqlite:/i.test(storage.database_url)) {
    findings.push({
      ...{ check: CHECK, level: 'problem' },
      message: 'the control database is SQLite, and the gateways of all regions share one',
      advice: 'Set DATABASE_URL to the same PostgreSQL database in every region (docs/multi-region.md).',
    });
  }
  if (!env.WEIR_SECRET) {
    findings.push({
      ...{ check: CHECK, level: 'warning' },
      message: 'WEIR_SECRET is not set: regions prove to each other with it which requests they forward',
      advice: 'Set the same value in every region, before you create keys.',
    });
  }
  return findings;
}

/** Requests of tenants with a residency never go to these: nothing says that they may. */
async function unknownRegions(config: Config, env: Environment): Promise<Finding[]> {
  const snapshot = await offlineSnapshot(config, env);
  try {
    const named = new Set(snapshot.directory.targets().map(({ provider }) => provider.id));
    const targets = snapshot.directory
      .targets()
      .filter(({ region, provider }) => (region ?? provider.region) === undefined)
      .map(({ provider, model }) => `target ${provider.id}/${model}`);
    const providers = snapshot.providers
      .filter(({ id, region }) => region === undefined && !named.has(id))
      .map(({ id }) => `provider ${id}`);
    const guardrails = config.guardrails
      .filter(({ kind, server }) => isServerKind(kind) && server?.region === undefined)
      .map(({ id }) => `guardrail ${id}`);
    const servers = config.storage.servers
      .filter(({ region }) => region === null)
      .map(({ id }) => `storage server ${id}`);
    const all = [...new Set([...targets, ...providers, ...guardrails, ...servers])];
    if (all.length === 0) {
      return [
        {
          check: CHECK,
          level: 'ok',
          message: 'every target, guardrail server and database server has a region',
        },
      ];
    }
    return [
      {
        ...{ check: CHECK, level: 'warning' },
        message: `no region is known of: ${all.join(', ')}; tenants with a residency do not use them`,
        advice: 'Set "region" of each, where they may process data of such tenants.',
      },
    ];
  } finally {
    snapshot.close();
  }
}

async function outcomeOf(ask: (url: string) => Promise<number>, address: string): Promise<number | string> {
  try {
    return await ask(`${address}/health/ready`);
  } catch (error) {
    return messageOf(error);
  }
}

function reachFinding(id: string, address: string, outcome: number | string): Finding {
  if (outcome === 200) return { check: CHECK, level: 'ok', message: `${id} is ready at ${address}` };
  const reason = typeof outcome === 'number' ? `HTTP ${outcome}` : outcome;
  return {
    ...{ check: CHECK, level: 'warning' },
    message: `${id} is not ready at ${address}: ${reason}`,
    advice:
      'Correct "regions", or the network between the regions. Its tenants fail over where they allow it.',
  };
}

const statusOf = (tls: UpstreamTls | undefined) => async (url: string) => {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(url, { signal, redirect: 'manual', ...(tls && { tls: { ...tls } }) });
  await response.body?.cancel();
  return response.status;
};
