import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

/** A small OpenID Connect server that a test can make misbehave. Codes are whatever the callback carries. */
export interface FakeIssuer {
  readonly url: string;
  /** Claims of the next ID tokens, in addition to those of the protocol. */
  claims: Record<string, unknown>;
  /** The nonce of the next ID tokens: that of the attempt. */
  nonce: string;
  /** Signs the next ID tokens with a key that is not published. */
  forge: boolean;
  /** Codes that were exchanged. */
  readonly exchanged: string[];
  close(): void;
}

export const ISSUER_CLIENT = { id: 'weir', secret: 'a-secret-for-tests-0123456789' };

export async function startFakeIssuer(): Promise<FakeIssuer> {
  const [own, other] = [await generateKeyPair('RS256'), await generateKeyPair('RS256')];
  const jwk = { ...(await exportJWK(own.publicKey)), kid: 'k', alg: 'RS256', use: 'sig' };
  const issuer: FakeIssuer = {
    url: '',
    claims: { sub: 'ann', email: 'ann@example.com', email_verified: true, name: 'Ann' },
    nonce: '',
    forge: false,
    exchanged: [],
    close: () => void server.close(),
  };
  const token = async () => ({
    access_token: 'access',
    token_type: 'Bearer',
    expires_in: 60,
    id_token: await new SignJWT({ nonce: issuer.nonce, ...issuer.claims })
      .setProtectedHeader({ alg: 'RS256', kid: 'k' })
      .setIssuer(url)
      .setAudience(ISSUER_CLIENT.id)
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(issuer.forge ? other.privateKey : own.privateKey),
  });
  const pages: Record<string, (body: string) => unknown> = {
    '/.well-known/openid-configuration': () => ({
      issuer: url,
      authorization_endpoint: `${url}/authorize`,
      token_endpoint: `${url}/token`,
      jwks_uri: `${url}/jwks`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
    }),
    '/jwks': () => ({ keys: [jwk] }),
    '/token': (body) => {
      issuer.exchanged.push(new URLSearchParams(body).get('code') ?? '');
      return token();
    },
  };
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += String(part);
    const page = pages[request.url ?? ''];
    response.statusCode = page ? 200 : 404;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(page ? await page(body) : {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  const url = `http://127.0.0.1:${address.port}`;
  return Object.assign(issuer, { url });
}
