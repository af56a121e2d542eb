import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import type { Browser, BrowserContext, BrowserContextOptions } from 'playwright-core';
import { freePort } from '../support/free-port.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { TEST_CLIENT } from '../support/services/oidc-client.ts';
import { chromiumPath, DESKTOP, launch, type Watched, watch } from './browser.ts';

/** One browser and one gateway with models of the simulator, for all tests of the console. */

export const SKIP = chromiumPath === undefined ? 'Chromium is missing' : false;

export const PASSWORD = 'correct horse battery';

const target = (model: string) => [{ provider: 'simulator', model }];
export const CONFIG = {
  simulator: 'all',
  billing: { issuer: { name: 'Weir Operations Ltd' } },
  models: [
    { id: 'swift', targets: target('simulator'), price: { input: '2', output: '10' } },
    { id: 'other', targets: target('simulator-other'), price: { input: '1', output: '5' } },
    { id: 'slow', targets: target('simulator-slow:ttft=50ms,tps=20,tokens=4000') },
    { id: 'broken', targets: target('simulator-broken:fault=503') },
  ],
};

/** The only region, in which the gateway is. */
export const REGION = 'eu-central-1';

let failures = 0;
/** Contexts that no test uses, by their options: what they have cached, the next test need not load. */
const contexts = new Map<string, BrowserContext[]>();
let browser: Browser;
let gateway: Gateway;

before(async () => {
  if (SKIP) return;
  [browser, gateway] = await Promise.all([launch(), startShared()]);
});
after(async () => {
  await browser?.close();
  await gateway?.stop();
});

/** An identity provider that `sign-in.ts` starts. */
export const IDENTITY_PROVIDER = { id: 'house', name: 'House accounts' };
let issuerPort = 0;
let receiverPort = 0;
/** Of the receiver of the export `finance`, which `exports.ts` starts. */
export const theReceiverPort = (): number => receiverPort;
export const theIssuerPort = (): number => issuerPort;

async function startShared(): Promise<Gateway> {
  [issuerPort, receiverPort] = [await freePort(), await freePort()];
  const { id: client_id, secret: client_secret } = TEST_CLIENT;
  const issuer = `http://127.0.0.1:${issuerPort}`;
  const sign_up = { tenant: 'default', role: 'developer' };
  const oidc = [{ ...IDENTITY_PROVIDER, issuer, client_id, client_secret, sign_up }];
  return startGateway({
    config: {
      ...CONFIG,
      auth: { oidc },
      exports: [
        {
          ...{
            id: 'finance',
            type: 'http',
            url: `http://127.0.0.1:${receiverPort}/usage?key=planted-in-url`,
          },
          ...{ tenants: ['exported'], every: '1s' },
        },
      ],
      region: REGION,
      regions: [{ id: REGION, address: 'http://127.0.0.1:1' }],
    },
    // Receivers of webhooks are on this machine.
    env: { WEIR_WEBHOOKS_ALLOW_PRIVATE: '1' },
  });
}

export const theBrowser = (): Browser => browser;
export const theGateway = (): Gateway => gateway;

/** Calls the API with the admin key. @throws for any status but 2xx */
export async function admin(method: string, path: string, body?: unknown, of: Gateway = gateway) {
  const response = await fetch(of.url + path, {
    method,
    headers: { authorization: `Bearer ${of.adminKey}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  const value: Record<string, unknown> = text === '' ? {} : JSON.parse(text);
  return value;
}

/** Creates a tenant without limits. */
export const createTenant = (id: string, name = id, of: Gateway = gateway) =>
  admin('POST', '/admin/v1/tenants', { id, name, tier: null }, of);

/** Creates a user with a role in a tenant, who signs in with `PASSWORD`. @returns the e-mail address */
export async function createMember(tenant: string, role: string): Promise<string> {
  const email = `${role}@${tenant}.test`;
  await admin('POST', '/admin/v1/users', { email, name: `${role} of ${tenant}`, password: PASSWORD });
  await admin('POST', `/admin/v1/tenants/${tenant}/members`, { email, role });
  return email;
}

/** Sends a chat request with a new key of a tenant. @returns the status */
export async function send(model: string, tenant: string, text = 'Hello.'): Promise<number> {
  const { key } = await admin('POST', `/admin/v1/tenants/${tenant}/keys`, { name: 'sender' });
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: text }] }),
  });
  await response.arrayBuffer();
  return response.status;
}

interface VisitOptions extends BrowserContextOptions {
  /** Signs in as this user; with the admin key when absent, not at all when null. */
  readonly email?: string | null;
  readonly of?: Gateway;
  /** With an empty cache and its own clock. */
  readonly isFresh?: boolean;
  /** The tenant that is chosen. */
  readonly tenant?: string;
}

/** Runs `visit` with a page that has a session, and fails when the page had a fault. */
export async function visiting(
  { email, of = gateway, tenant, isFresh = false, ...options }: VisitOptions,
  visit: (watched: Watched) => Promise<void>,
): Promise<void> {
  const kind = JSON.stringify(options);
  const free = contexts.get(kind) ?? [];
  contexts.set(kind, free);
  const context =
    (isFresh ? undefined : free.pop()) ?? (await browser.newContext({ ...DESKTOP, ...options }));
  const watched = await watch(context, of.url);
  const { page } = watched;
  let isReusable = false;
  try {
    if (email !== null) {
      const data = email === undefined ? { key: of.adminKey } : { email, password: PASSWORD };
      const response = await watched.context.request.post(`${of.url}/v1/auth/sign-in`, { data });
      if (!response.ok()) throw new Error(`not signed in: ${response.status()} ${await response.text()}`);
    }
    if (tenant !== undefined) {
      await page.addInitScript((id) => localStorage.setItem('weir-tenant', id), tenant);
    }
    await visit(watched);
    watched.assertNoFault();
    if (page.url().startsWith(of.url)) await page.evaluate(() => localStorage.clear());
    isReusable = !isFresh;
  } catch (error) {
    failures += 1;
    const path = join(tmpdir(), `weir-console-failure-${failures}.png`);
    await watched.page.screenshot({ path });
    console.error(`${watched.page.url()}: ${path}`);
    throw error;
  } finally {
    await page.close();
    await context.clearCookies();
    if (isReusable) free.push(context);
    else await context.close();
  }
}

/** Repeats a check of another process, which announces nothing. @throws when it does not hold in time */
export async function eventually(
  what: string,
  holds: () => Promise<boolean>,
  withinMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
