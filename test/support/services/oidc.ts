import { createServer } from 'node:http';
import Provider from 'oidc-provider';
import { freePort } from '../free-port.ts';
import { TEST_CLIENT } from './oidc-client.ts';

/** A real OpenID Connect server on this machine. The login name selects the identity. */
export interface TestIssuer {
  readonly url: string;
  readonly clientId: string;
  readonly clientSecret: string;
  close(): Promise<void>;
}

/**
 * @param redirectUri the gateway's callback URL
 * @param port a free one when absent
 */
export async function startIssuer(redirectUri: string, port?: number): Promise<TestIssuer> {
  const url = `http://127.0.0.1:${port ?? (await freePort())}`;
  const client = TEST_CLIENT;
  const provider = new Provider(url, {
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        redirect_uris: [redirectUri],
        response_types: ['code'],
        grant_types: ['authorization_code'],
      },
    ],
    pkce: { required: () => true },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false,
    // `name` is verified, `name!` has an unverified address.
    findAccount: (_context: unknown, id: string) => ({
      accountId: id,
      claims: () => ({
        sub: id,
        email: `${id.replace('!', '')}@idp.test`,
        email_verified: !id.endsWith('!'),
        name: `Person ${id.replace('!', '')}`,
      }),
    }),
    cookies: { keys: ['for-tests-only'] },
  });
  const server = createServer(provider.callback());
  await new Promise<void>((resolve) => server.listen(Number(new URL(url).port), '127.0.0.1', resolve));
  return {
    url,
    clientId: client.id,
    clientSecret: client.secret,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** A browser as far as signing in needs one: it keeps cookies, follows redirects, and fills in forms. */
export class TestBrowser {
  readonly #cookies = new Map<string, Map<string, string>>();

  cookie(host: string, name: string): string | undefined {
    return this.#cookies.get(host)?.get(name);
  }

  /** @returns the first answer that is no redirect, or one to a page that is not there */
  async go(
    url: string,
    init: RequestInit = {},
  ): Promise<{ readonly url: string; readonly response: Response }> {
    let at = url;
    let request = init;
    for (let step = 0; step < 20; step += 1) {
      const { host } = new URL(at);
      const jar = this.#cookies.get(host) ?? new Map<string, string>();
      this.#cookies.set(host, jar);
      const headers = new Headers(request.headers);
      if (jar.size > 0) headers.set('cookie', [...jar].map(([name, value]) => `${name}=${value}`).join('; '));
      const response = await fetch(at, { ...request, headers, redirect: 'manual' });
      for (const line of response.headers.getSetCookie()) {
        const [pair = ''] = line.split(';');
        const cut = pair.indexOf('=');
        const value = pair.slice(cut + 1);
        if (value === '' || /max-age=0|expires=thu, 01 jan 1970/i.test(line)) jar.delete(pair.slice(0, cut));
        else jar.set(pair.slice(0, cut), value);
      }
      const location = response.headers.get('location');
      if (location === null || response.status < 300 || response.status > 399) return { url: at, response };
      await response.arrayBuffer();
      at = new URL(location, at).href;
      request = {};
    }
    throw new Error('too many redirects');
  }

  /** Signs in at the issuer's own pages: first who, then that it is fine. */
  async signIn(start: string, login: string): Promise<{ readonly url: string; readonly response: Response }> {
    let page = await this.go(start);
    for (let step = 0; step < 3; step += 1) {
      const text = await page.response.clone().text();
      const action = /<form[^>]*action="([^"]+)"/.exec(text)?.[1];
      const prompt = /name="prompt" value="(\w+)"/.exec(text)?.[1];
      if (action === undefined || prompt === undefined) return page;
      const body = new URLSearchParams({ prompt, ...(prompt === 'login' ? { login, password: 'any' } : {}) });
      page = await this.go(new URL(action, page.url).href, { method: 'POST', body });
    }
    return page;
  }
}
