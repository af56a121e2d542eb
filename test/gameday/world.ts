import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type CommandResult, chat, weir } from '../e2e/harness.ts';
import { dataOf, done } from '../e2e/helpers/admin.ts';
import { parseObject } from '../e2e/helpers/json.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type ObjectStore, startObjectStore } from '../support/object-store.ts';
import { startPostgres, type TestPostgres } from '../support/services/postgres.ts';
import { startRedis, type TestRedis } from '../support/services/redis.ts';

/** Of backups: real installations use five minutes. */
const BACKUP_PAUSE_MS = 3_000;
const LOCATION = 's3://backups/weir';
const CLIENTS = 3;
/** Between two requests of a client. */
const PAUSE_MS = 40;
const POLL_MS = 25;
const TIMEOUT_MS = 10_000;
const CONFIG = 'limits: { per_ip: null }\n';

/** Databases, Redis and folders of one place. */
export interface Site {
  readonly postgres: TestPostgres;
  readonly redis: TestRedis;
  readonly env: Record<string, string>;
  readonly folder: string;
}

/** What clients have seen. */
export interface Traffic {
  /** Confirmed requests. */
  readonly confirmed: number;
  readonly failed: number;
  /** The longest time without a confirmed request. Seconds. */
  readonly outage: number;
}

/** A bucket that outlives every site, and clients who use whichever gateway responds, as through a balancer. */
export class World {
  readonly gateways: Gateway[] = [];
  #site: Site | undefined;
  #key = '';
  #folders: string[] = [];
  #sites: Site[] = [];
  #next = 0;
  #backups = 0;

  private constructor(private readonly store: ObjectStore) {}

  static async start(gateways: number): Promise<World> {
    const world = new World(startObjectStore('backups', { secrets: { AKID: 'secret' } }));
    try {
      await world.openSite();
      for (let count = 0; count < gateways; count += 1) await world.startGateway(count);
      const [first] = world.gateways;
      if (!first) throw new Error('no gateway');
      await done(first, 'POST', '/tenants', { id: 'acme', tier: null });
      world.#key = String((await done(first, 'POST', '/tenants/acme/keys', { name: 'clients' })).key);
      await world.untilServes();
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  get site(): Site {
    if (!this.#site) throw new Error('no site');
    return this.#site;
  }

  /** Starts empty databases, an empty Redis and empty folders, which gateways use from now on. */
  async openSite(): Promise<Site> {
    const folder = mkdtempSync(join(tmpdir(), 'weir-gameday-'));
    this.#folders.push(folder);
    const [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
    const config = join(folder, 'weir.yaml');
    writeFileSync(config, CONFIG);
    const env = {
      WEIR_CONFIG: config,
      DATABASE_URL: await postgres.freshUrl(),
      REDIS_URL: redis.url,
      WEIR_SECRET: 'a-secret-of-all-sites-0123456789',
    };
    this.#site = { postgres, redis, env, folder };
    this.#sites.push(this.#site);
    return this.#site;
  }

  dataDir(number: number): string {
    return join(this.site.folder, `gateway-${number}`);
  }

  async startGateway(number: number): Promise<Gateway> {
    const gateway = await startGateway({ env: this.site.env, dataDir: this.dataDir(number) });
    this.gateways.push(gateway);
    return gateway;
  }

  /** Ends gateways as a machine that loses its power. @param disks whether their disks are lost too */
  async killGateways(killed: readonly Gateway[], disks: boolean): Promise<void> {
    for (const gateway of killed) gateway.signal('SIGKILL');
    await Promise.all(killed.map(({ exited }) => exited));
    for (const gateway of killed) {
      this.gateways.splice(this.gateways.indexOf(gateway), 1);
      if (disks) rmSync(gateway.dataDir, { recursive: true, force: true });
      await gateway.stop();
    }
  }

  async stopGateways(): Promise<void> {
    await Promise.all(this.gateways.splice(0).map((gateway) => gateway.stop()));
  }

  /** The configuration in a backup: a path without the first slash. */
  get configFile(): string {
    return join(this.#folders[0] ?? '', 'weir.yaml').slice(1);
  }

  removeFolder(folder: string): void {
    rmSync(folder, { recursive: true, force: true });
  }

  /** Starts an empty database server for the same site. */
  async replaceDatabases(): Promise<void> {
    const { env, ...site } = this.site;
    const postgres = await startPostgres();
    this.#site = { ...site, postgres, env: { ...env, DATABASE_URL: await postgres.freshUrl() } };
    this.#sites.push(this.#site);
  }

  /** Ends everything of a site, with its disks. */
  async loseSite(site: Site): Promise<void> {
    await this.killGateways([...this.gateways], true);
    await this.loseDatabases(site);
    await site.redis.dispose();
    rmSync(site.folder, { recursive: true, force: true });
  }

  async loseDatabases(site: Site): Promise<void> {
    await site.postgres.dispose();
  }

  command(args: readonly string[], dataDir: string): Promise<CommandResult> {
    return weir(args, {
      ...this.site.env,
      WEIR_DATA_DIR: dataDir,
      // Gateways with these credentials would offer the models of a cloud.
      AWS_ENDPOINT_URL_S3: this.store.url,
      AWS_ACCESS_KEY_ID: 'AKID',
      AWS_SECRET_ACCESS_KEY: 'secret',
      WEIR_BACKUP_PASSPHRASE: 'a passphrase of all sites',
    });
  }

  /** @returns what a backup reports. @throws Error when it fails */
  async backUp(): Promise<Record<string, unknown>> {
    const result = await this.command(['backup', LOCATION, '--json'], this.dataDir(0));
    if (result.code !== 0) throw new Error(`the backup failed: ${result.stderr}`);
    return parseObject(result.stdout);
  }

  /** @returns what the restore of the latest backup reports */
  async restore(options: readonly string[] = []): Promise<Record<string, unknown>> {
    const result = await this.command(['restore', LOCATION, '--json', ...options], this.dataDir(0));
    if (result.code !== 0) throw new Error(`the restore failed: ${result.stderr}`);
    return parseObject(result.stdout);
  }

  /** @throws Error when an audit trail is not whole */
  async verifyAudit(): Promise<void> {
    const result = await this.command(['audit', 'verify'], this.dataDir(0));
    if (result.code !== 0)
      throw new Error(`the audit trail does not verify: ${result.stdout}${result.stderr}`);
  }

  /** Waits until the backups that run have made one. */
  async backUpOnce(): Promise<void> {
    while (this.#backups === 0) await delay(POLL_MS);
  }

  /** Makes backups one after the other. @returns ends them, with the start of the latest complete one in Unix milliseconds */
  startBackups(): () => Promise<number> {
    const ending = new AbortController();
    let latest = 0;
    const running = (async () => {
      while (!ending.signal.aborted) {
        const { created_at } = await this.backUp().catch(() => ({ created_at: undefined }));
        // A backup that the loss interrupts does not count.
        if (created_at !== undefined && !ending.signal.aborted) {
          latest = Date.parse(String(created_at));
          this.#backups += 1;
        }
        await delay(BACKUP_PAUSE_MS, undefined, { signal: ending.signal }).catch(() => undefined);
      }
    })();
    return async () => {
      ending.abort();
      const found = latest;
      await running;
      return found;
    };
  }

  /** Sends one request to the first gateway that responds. @returns whether it was confirmed */
  async request(): Promise<boolean> {
    const ring = [...this.gateways];
    this.#next += 1;
    for (let at = 0; at < ring.length; at += 1) {
      const gateway = ring[(this.#next + at) % ring.length];
      if (!gateway) continue;
      try {
        const response = await fetch(`${gateway.url}/v1/chat/completions`, {
          method: 'POST',
          headers: { authorization: `Bearer ${this.#key}`, 'content-type': 'application/json' },
          body: chat({ model: 'simulator' }),
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        await response.arrayBuffer();
        if (response.status === 200) return true;
      } catch {
        // Not listening, or cut off: a balancer asks the next one.
      }
    }
    return false;
  }

  /** Sends requests until the returned function is called. */
  startTraffic(): () => Promise<Traffic> {
    let running = true;
    let confirmed = 0;
    let failed = 0;
    let last = performance.now();
    let outage = 0;
    const client = async () => {
      while (running) {
        if (await this.request()) {
          confirmed += 1;
          outage = Math.max(outage, performance.now() - last);
          last = performance.now();
        } else failed += 1;
        await delay(PAUSE_MS);
      }
    };
    const clients = Array.from({ length: CLIENTS }, client);
    return async () => {
      running = false;
      await Promise.all(clients);
      return { confirmed, failed, outage: outage / 1_000 };
    };
  }

  async untilServes(): Promise<void> {
    while (!(await this.request())) await delay(POLL_MS);
  }

  /** Waits until a key can be created. */
  async untilWrites(): Promise<void> {
    for (;;) {
      try {
        const [first] = this.gateways;
        if (first) return void (await done(first, 'POST', '/tenants/acme/keys', { name: 'after' }));
      } catch {
        // Not available yet.
      }
      await delay(POLL_MS);
    }
  }

  /** @returns the requests whose usage is stored. @param wanted ends the wait for usage that is on its way */
  async recorded(wanted: number): Promise<number> {
    const [first] = this.gateways;
    if (!first) throw new Error('no gateway');
    let requests = 0;
    for (const end = performance.now() + TIMEOUT_MS; performance.now() < end; await delay(200)) {
      const [sums = {}] = dataOf(await done(first, 'GET', '/tenants/acme/usage'));
      requests = Number(sums.requests ?? 0);
      if (requests >= wanted) break;
    }
    return requests;
  }

  async stop(): Promise<void> {
    await this.stopGateways();
    for (const { postgres, redis } of this.#sites) {
      await postgres.dispose();
      await redis.dispose();
    }
    await this.store.close();
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
  }
}
