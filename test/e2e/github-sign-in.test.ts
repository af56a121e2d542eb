import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { GITHUB_CLIENT, startGitHub, type TestGitHub } from '../support/services/github.ts';
import { TestBrowser } from '../support/services/oidc.ts';
import { dataOf, done } from './helpers/admin.ts';

describe('signing in by GitHub', () => {
  let github: TestGitHub;
  let gateway: Gateway;
  let people = 0;
  beforeAll(async () => {
    github = await startGitHub();
    const hub = {
      ...{ kind: 'github', issuer: github.url, client_id: GITHUB_CLIENT.id },
      client_secret: GITHUB_CLIENT.secret,
    };
    gateway = await startGateway({
      config: {
        auth: {
          oidc: [
            { ...hub, id: 'hub', sign_up: { tenant: 'default', role: 'developer' } },
            { ...hub, id: 'company', allowed_domains: ['company.test'] },
          ],
        },
      },
    });
  });
  afterAll(async () => {
    await gateway?.stop();
    await github?.close();
  });
  beforeEach(() => {
    people += 1;
    const login = `octo${people}`;
    Object.assign(github, {
      user: { id: 1_000 + people, login, name: `Octo ${people}` },
      emails: [
        { email: `old-${login}@hub.test`, primary: false, verified: true },
        { email: `${login}@hub.test`, primary: true, verified: true },
      ],
      issuer: `${github.url}/login/oauth`,
      forgesCodes: false,
    });
  });

  const session = (browser: TestBrowser) => browser.cookie(new URL(gateway.url).host, 'weir_session');
  async function signIn(path = '/v1/auth/oidc/hub') {
    const browser = new TestBrowser();
    const { url, response } = await browser.go(`${gateway.url}${path}`);
    const secret = session(browser);
    const me =
      secret === undefined ? undefined : await done(gateway, 'GET', '/me', undefined, { key: secret });
    return { path: new URL(url).pathname, status: response.status, me };
  }

  /** Addresses of the accounts of a login. */
  const accounts = async (login = `octo${people}`) =>
    dataOf(await done(gateway, 'GET', `/users?search=${login}@`)).map(({ email }) => email);

  test('makes a member, with the primary address', async () => {
    const { path, me } = await signIn();
    expect(path).toBe('/console');
    expect(me).toMatchObject({ name: `Octo ${people}`, tenants: { default: { role: 'developer' } } });
    expect(await accounts()).toEqual([`octo${people}@hub.test`]);
  });

  test('also at the paths of other platforms', async () => {
    const { path, me } = await signIn('/login/hub');
    expect([path, me?.name]).toEqual(['/console', `Octo ${people}`]);
    expect(await accounts()).toEqual([`octo${people}@hub.test`]);
  });

  test('from a server that sends no "iss", and without a name', async () => {
    github.issuer = null;
    github.user = { id: 77, login: 'nameless', name: null };
    expect(JSON.stringify((await signIn()).me)).toContain('nameless');
  });

  test('knows a person by the id, after login and address have changed', async () => {
    await signIn();
    const { id } = github.user;
    github.user = { id, login: 'renamed', name: 'Renamed' };
    github.emails = [{ email: 'renamed@hub.test', primary: true, verified: true }];
    expect((await signIn()).me?.name).toBe(`Octo ${people}`);
    expect(await accounts('renamed')).toEqual([]);
  });

  test.each<[string, (server: TestGitHub) => void]>([
    [
      'an address that is not verified',
      (server) => {
        server.emails = [{ email: 'boss@hub.test', primary: true, verified: false }];
      },
    ],
    [
      'a code that is not its own',
      (server) => {
        server.forgesCodes = true;
      },
    ],
    [
      'another issuer',
      (server) => {
        server.issuer = 'https://evil.test/login/oauth';
      },
    ],
  ])('rejects %s', async (_name, change) => {
    change(github);
    expect(await signIn()).toMatchObject({ status: 403, me: undefined });
  });

  test('rejects addresses of other domains', async () => {
    expect(await signIn('/v1/auth/oidc/company')).toMatchObject({ status: 403, me: undefined });
  });
});
