import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HttpRequest, HttpResponse } from '../../src/core/http.ts';
import type { HttpServer } from '../../src/server/http-server.ts';
import { startHttpServer } from '../../src/server/http1-server.ts';
import { gatewayInProcess, type InProcessGateway } from './gateway-in-process.ts';
import { reply } from './test-servers.ts';

/** One region of a test: a gateway with a socket. */
export interface TestRegion {
  readonly id: string;
  /** Of its gateways. */
  readonly url: string;
  readonly gateway: InProcessGateway;
  /** Requests that arrived at its address, health checks included, as method and target. */
  readonly arrived: readonly string[];
  /** The region does not respond any more: connections are closed with nothing. */
  fail(): void;
  /** Runs the health checks of the other regions. */
  check(): Promise<void>;
  /** Sends a request as a client does. */
  send(path: string, init?: RequestInit): Promise<Response>;
}

export interface TestRegions {
  readonly regions: Readonly<Record<string, TestRegion>>;
  readonly adminKey: string;
  close(): Promise<void>;
}

export interface TestRegionsOptions {
  /** Of the configuration, the same in every region; addresses are added. */
  readonly regions: readonly Readonly<Record<string, unknown> & { id: string }>[];
  /** The rest of the configuration of each region. */
  readonly config?: (id: string) => Readonly<Record<string, unknown>>;
}

/** Starts gateways in several regions, with one control database and one secret. */
export async function startRegions({
  regions,
  config = () => ({}),
}: TestRegionsOptions): Promise<TestRegions> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-regions-'));
  const servers = new Map<string, HttpServer>();
  const handlers = new Map<string, (request: HttpRequest) => HttpResponse | Promise<HttpResponse>>();
  const arrived = new Map<string, string[]>();
  for (const { id } of regions) {
    const list: string[] = [];
    arrived.set(id, list);
    const server = startHttpServer({
      host: '127.0.0.1',
      port: 0,
      handle: (request) => {
        list.push(`${request.method} ${request.target}`);
        return handlers.get(id)?.(request) ?? reply(503, 'starting');
      },
      rejectMalformed: (status, message) => reply(status, message),
      onError: () => undefined,
    });
    servers.set(id, server);
  }
  const addressOf = (id: string) => `http://127.0.0.1:${servers.get(id)?.port}`;
  const listed = regions.map((region) => ({ ...region, address: addressOf(region.id) }));
  const made: Record<string, TestRegion> = {};
  let adminKey = '';
  for (const { id } of regions) {
    const own = config(id);
    const gateway = await gatewayInProcess({
      config: {
        region_routing: { interval: '1ms', failures: 1, successes: 1 },
        ...own,
        region: id,
        regions: listed,
      },
      env: {
        DATABASE_URL: `sqlite:${join(folder, 'databases')}`,
        WEIR_SECRET: 'the secret of all regions',
      },
    });
    adminKey = gateway.adminKey;
    handlers.set(id, (request) => gateway.gateway.router.handle(request));
    made[id] = {
      ...{ id, gateway, url: addressOf(id), arrived: arrived.get(id) ?? [] },
      fail: () => servers.get(id)?.close(),
      check: () => gateway.gateway.checkRegions(),
      send: (path, init) => fetch(addressOf(id) + path, init),
    };
  }
  return {
    regions: made,
    adminKey,
    close: async () => {
      for (const server of servers.values()) server.close();
      for (const { gateway } of Object.values(made)) await gateway.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
