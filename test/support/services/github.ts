import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/** A server that speaks GitHub's OAuth and REST API, as GitHub Enterprise does: the API is under `/api/v3`. */
export interface TestGitHub {
  readonly url: string;
  /** Who signs in next. */
  user: { readonly id: number; readonly login: string; readonly name: string | null };
  /** Their addresses, as the API lists them. */
  emails: readonly { readonly email: string; readonly primary: boolean; readonly verified: boolean }[];
  /** `iss` of the next callbacks; null for a server that sends none. */
  issuer: string | null;
  /** Callbacks carry a code that the server does not know. */
  forgesCodes: boolean;
  close(): Promise<void>;
}

export const GITHUB_CLIENT = { id: 'Iv1.0123456789abcdef', secret: 'a-secret-for-tests-0123456789' };

/** What a code stands for. */
interface Grant {
  readonly redirectUri: string;
  readonly challenge: string;
}

export async function startGitHub(): Promise<TestGitHub> {
  const grants = new Map<string, Grant>();
  const tokens = new Set<string>();
  const json = (response: ServerResponse, status: number, body: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
    response.end(JSON.stringify(body));
  };

  const authorize = (url: URL, response: ServerResponse) => {
    const given = url.searchParams;
    const redirectUri = given.get('redirect_uri') ?? '';
    const code = randomBytes(10).toString('hex');
    if (!github.forgesCodes) {
      grants.set(code, { redirectUri, challenge: given.get('code_challenge') ?? '' });
    }
    const back = new URL(redirectUri);
    back.searchParams.set('code', code);
    back.searchParams.set('state', given.get('state') ?? '');
    if (github.issuer !== null) back.searchParams.set('iss', github.issuer);
    response.writeHead(302, { location: back.href });
    response.end();
  };

  const exchange = async (request: IncomingMessage, response: ServerResponse) => {
    let text = '';
    for await (const part of request) text += String(part);
    const form = new URLSearchParams(text);
    const [name = '', secret = ''] = Buffer.from(
      (request.headers.authorization ?? '').replace('Basic ', ''),
      'base64',
    )
      .toString()
      .split(':')
      .map(decodeURIComponent);
    const code = form.get('code') ?? '';
    const grant = grants.get(code);
    grants.delete(code);
    // Errors have the status 200, and the form that the client accepts decides the format.
    if (!request.headers.accept?.includes('application/json')) return response.end('error=not_acceptable');
    if (
      (form.get('client_id') ?? name) !== GITHUB_CLIENT.id ||
      (form.get('client_secret') ?? secret) !== GITHUB_CLIENT.secret
    ) {
      return json(response, 200, { error: 'incorrect_client_credentials' });
    }
    const proof = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    if (!grant || grant.redirectUri !== form.get('redirect_uri') || grant.challenge !== proof) {
      return json(response, 200, {
        error: 'bad_verification_code',
        error_description: 'The code passed is incorrect or expired.',
      });
    }
    const token = `gho_${randomBytes(18).toString('hex')}`;
    tokens.add(token);
    return json(response, 200, { access_token: token, scope: 'read:user,user:email', token_type: 'bearer' });
  };

  const api = (request: IncomingMessage, path: string, response: ServerResponse) => {
    const [, token = ''] = /^(?:bearer|token) (.+)$/i.exec(request.headers.authorization ?? '') ?? [];
    // GitHub refuses requests without a user agent.
    if (!request.headers['user-agent']) return json(response, 403, { message: 'Request forbidden' });
    if (!tokens.has(token)) return json(response, 401, { message: 'Bad credentials' });
    if (path === '/user') return json(response, 200, { ...github.user, type: 'User', email: null });
    if (path === '/user/emails') {
      return json(
        response,
        200,
        github.emails.map((one) => ({ ...one, visibility: one.primary ? 'private' : null })),
      );
    }
    return json(response, 404, { message: 'Not Found' });
  };

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', github.url);
    if (url.pathname === '/login/oauth/authorize') authorize(url, response);
    else if (url.pathname === '/login/oauth/access_token') void exchange(request, response);
    else if (url.pathname.startsWith('/api/v3/'))
      api(request, url.pathname.slice('/api/v3'.length), response);
    else json(response, 404, { message: 'Not Found' });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  const url = `http://127.0.0.1:${address.port}`;
  const github: TestGitHub = {
    url,
    user: { id: 583_231, login: 'octo', name: 'Octo Cat' },
    emails: [{ email: 'octo@hub.test', primary: true, verified: true }],
    issuer: `${url}/login/oauth`,
    forgesCodes: false,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return github;
}
