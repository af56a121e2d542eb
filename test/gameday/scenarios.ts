import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { World } from './world.ts';

/** What a game day has measured. */
export interface Outcome {
  readonly lost: string;
  /** Until everything works again. Seconds. */
  readonly rto: number;
  /** The longest time in which no request of clients was confirmed. Seconds. */
  readonly outage: number;
  /** How old the restored state is; 0 where nothing confirmed is lost. Seconds. */
  readonly rpo: number;
  /** Confirmed requests, and those of them whose usage is missing. */
  readonly confirmed: number;
  readonly missing: number;
  /** Seconds. */
  readonly targetRto: number;
  readonly targetRpo: number;
  readonly passed: boolean;
}

export interface Scenario {
  readonly lost: string;
  run(): Promise<Outcome>;
}

/** Traffic before a loss. Milliseconds. */
const BEFORE_MS = 2_500;
const MINUTE = 60;

interface Measured {
  /** Unix milliseconds. */
  readonly lostAt: number;
  readonly backAt: number;
  /** Start of the restored backup; undefined where none was. */
  readonly restoredFrom?: number;
}

/** Runs a loss under traffic, and judges what clients and databases show. */
function scenario(
  lost: string,
  { gateways, targetRto, targetRpo = 0 }: { gateways: number; targetRto: number; targetRpo?: number },
  loss: (world: World) => Promise<Measured>,
): Scenario {
  return {
    lost,
    run: async () => {
      const world = await World.start(gateways);
      try {
        const stop = world.startTraffic();
        await delay(BEFORE_MS);
        const { lostAt, backAt, restoredFrom } = await loss(world);
        await delay(BEFORE_MS / 2);
        const { confirmed, outage } = await stop();
        // `World.start` has sent one more.
        const missing = Math.max(0, confirmed + 1 - (await world.recorded(confirmed + 1)));
        await world.verifyAudit();
        const rto = (backAt - lostAt) / 1_000;
        const rpo = restoredFrom === undefined ? 0 : (lostAt - restoredFrom) / 1_000;
        const keeps = targetRpo > 0 || missing === 0;
        const passed = rto <= targetRto && rpo <= targetRpo && keeps;
        return { lost, rto, outage, rpo, confirmed, missing, targetRto, targetRpo, passed };
      } finally {
        await world.stop();
      }
    },
  };
}

export const SCENARIOS: readonly Scenario[] = [
  scenario('a pod', { gateways: 2, targetRto: MINUTE }, async (world) => {
    const [pod] = world.gateways;
    if (!pod) throw new Error('no gateway');
    const lostAt = Date.now();
    await world.killGateways([pod], false);
    // Its volume is attached to the new pod, which stores the usage that waits there.
    await world.startGateway(0);
    return { lostAt, backAt: Date.now() };
  }),
  scenario(
    'a zone with two of three gateways and their disks',
    { gateways: 3, targetRto: 5 * MINUTE, targetRpo: 1 },
    async (world) => {
      const lostAt = Date.now();
      await world.killGateways(world.gateways.slice(0, 2), true);
      await Promise.all([world.startGateway(0), world.startGateway(1)]);
      return { lostAt, backAt: Date.now() };
    },
  ),
  scenario('Redis with its data', { gateways: 2, targetRto: 2 * MINUTE }, async (world) => {
    const { redis } = world.site;
    const lostAt = Date.now();
    await redis.stop();
    await delay(BEFORE_MS);
    await redis.start({ empty: true });
    await world.untilServes();
    await world.untilWrites();
    return { lostAt, backAt: Date.now() };
  }),
  scenario(
    'PostgreSQL with its disks',
    { gateways: 2, targetRto: 15 * MINUTE, targetRpo: 5 * MINUTE },
    async (world) => {
      const backedUp = world.startBackups();
      await world.backUpOnce();
      await delay(BEFORE_MS);
      const lostAt = Date.now();
      await world.loseDatabases(world.site);
      const restoredFrom = await backedUp();
      // Gateways continue inference with what they have in memory. The new server has another address.
      await delay(BEFORE_MS);
      await world.replaceDatabases();
      await world.stopGateways();
      await world.restore();
      await Promise.all([world.startGateway(0), world.startGateway(1)]);
      await world.untilServes();
      await world.untilWrites();
      return { lostAt, backAt: Date.now(), restoredFrom };
    },
  ),
  scenario('a region', { gateways: 2, targetRto: 15 * MINUTE, targetRpo: 5 * MINUTE }, (world) =>
    loseSite(world, []),
  ),
  scenario(
    'the whole cluster with its configuration',
    { gateways: 2, targetRto: 60 * MINUTE, targetRpo: 5 * MINUTE },
    async (world) => {
      const files = join(world.site.folder, '..', `weir-gameday-files-${process.pid}`);
      try {
        const measured = await loseSite(world, ['--files', files]);
        const restored = readFileSync(join(files, world.configFile), 'utf8');
        if (!restored.includes('limits')) throw new Error('the configuration was not restored');
        return measured;
      } finally {
        world.removeFolder(files);
      }
    },
  ),
];

/** Everything of a site is lost; another one starts from the bucket. */
async function loseSite(world: World, options: readonly string[]): Promise<Measured> {
  const backedUp = world.startBackups();
  await world.backUpOnce();
  await delay(BEFORE_MS);
  const lostAt = Date.now();
  await world.loseSite(world.site);
  const restoredFrom = await backedUp();
  await world.openSite();
  await world.restore(options);
  await Promise.all([world.startGateway(0), world.startGateway(1)]);
  await world.untilServes();
  await world.untilWrites();
  return { lostAt, backAt: Date.now(), restoredFrom };
}
