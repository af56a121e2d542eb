import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { asString, isRecord } from '../core/json.ts';
import type { Transport } from '../core/transport.ts';
import { callBuffered } from './buffered-call.ts';
import type { BufferedResponse } from './types.ts';
import { cleanReason, codeForStatus, meaningful, plainReason, readJsonBody } from './upstream-error.ts';

/** A source of access tokens. */
export interface TokenSource {
  /**
   * @returns a valid token, or a promise while one is fetched
   * @throws GatewayError when the token endpoint gives none
   */
  token(): string | Promise<string>;
}

/** A token from a token endpoint. */
export interface FetchedToken {
  readonly token: string;
  readonly expiresInSeconds: number;
}

/**
 * Fetches a new token.
 * @throws GatewayError when the endpoint gives none
 */
export type FetchToken = () => Promise<FetchedToken>;

/** A token is renewed this long before it expires, or at half of a shorter lifetime. */
const REFRESH_AHEAD_MS = 5 * 60_000;
/** A token is not used in its last seconds, because it could expire on the way. */
const LAST_SECONDS_MS = 10_000;
/** Pause between failed renewals while the old token is valid. */
const RENEWAL_PAUSE_MS = 10_000;

/** Caches a token while it is valid, and fetches each new one once for all concurrent callers. */
export class CachedTokenSource implements TokenSource {
  #value = '';
  #refreshAt = Number.NEGATIVE_INFINITY;
  #expiresAt = Number.NEGATIVE_INFINITY;
  #pending: Promise<string> | undefined;

  constructor(
    private readonly fetchToken: FetchToken,
    private readonly clock: Pick<Clock, 'now'>,
  ) {}

  token(): string | Promise<string> {
    const now = this.clock.now();
    if (now >= this.#expiresAt) return this.#fetch();
    if (now >= this.#refreshAt) {
      this.#refreshAt = now + RENEWAL_PAUSE_MS;
      // A failed renewal is retried; the caller gets its error only after the old token has expired.
      this.#fetch().catch(() => undefined);
    }
    return this.#value;
  }

  #fetch(): Promise<string> {
    this.#pending ??= this.#load().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #load(): Promise<string> {
    const requestedAt = this.clock.now();
    let fetched: FetchedToken;
    try {
      fetched = await this.fetchToken();
    } catch (error) {
      if (error instanceof GatewayError) throw error;
      const reason = error instanceof Error ? cleanReason(error.message, []) : 'no reason given';
      throw new GatewayError('upstream_auth_failed', `Could not fetch an access token: ${reason}`, {
        cause: error,
      });
    }
    const lifeMs = fetched.expiresInSeconds * 1000;
    this.#value = fetched.token;
    this.#expiresAt = requestedAt + lifeMs - Math.min(LAST_SECONDS_MS, lifeMs / 2);
    this.#refreshAt = requestedAt + lifeMs - Math.min(REFRESH_AHEAD_MS, lifeMs / 2);
    return fetched.token;
  }
}

const TIMEOUT_MS = 10_000;
const MAX_RESPONSE_BYTES = 1024 * 1024;

function postForm(transport: Transport, url: string, form: URLSearchParams): Promise<BufferedResponse> {
  const { host } = new URL(url);
  const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' };
  return callBuffered(
    transport,
    { method: 'POST', url, headers, body: form.toString() },
    { timeoutMs: TIMEOUT_MS, maxBytes: MAX_RESPONSE_BYTES },
    (what, cause) =>
      new GatewayError('upstream_unreachable', `Could not fetch an access token: ${host} ${what}.`, {
        cause,
      }),
  );
}

/**
 * Requests a token from a token endpoint (RFC 6749, section 4).
 * @param secrets values that are redacted from errors
 */
async function requestToken(
  transport: Transport,
  url: string,
  form: Readonly<Record<string, string>>,
  secrets: readonly string[],
): Promise<FetchedToken> {
  const response = await postForm(transport, url, new URLSearchParams(form));
  const { status } = response;
  const { text, json } = readJsonBody(response);
  const members = isRecord(json) ? json : {};
  const token = meaningful(members.access_token);
  // Some endpoints write the number as text.
  const expiresInSeconds = Number(members.expires_in ?? Number.NaN);
  if (status === 200 && token !== undefined && expiresInSeconds > 0) return { token, expiresInSeconds };

  const { host } = new URL(url);
  const vendorMessage =
    status === 200
      ? 'the response has no access_token with expires_in'
      : (meaningful(members.error_description) ?? meaningful(members.error) ?? plainReason(response, text));
  const code = status >= 400 && status < 500 ? codeForStatus(status) : 'upstream_error';
  const refused = code === 'upstream_rejected' || code === 'upstream_auth_failed';
  throw new GatewayError(
    refused ? 'upstream_auth_failed' : code,
    `Could not fetch an access token: ${host} responded with HTTP ${status}: ${cleanReason(vendorMessage, secrets)}`,
    { upstreamStatus: status, ...(refused ? { headers: { 'x-should-retry': 'false' } } : {}) },
  );
}

/** An application of Microsoft Entra. */
export interface ClientCredentials {
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** For example `https://cognitiveservices.azure.com/.default`. */
  readonly scope: string;
  /** URL of a national cloud's sign-in service; the public one when absent. */
  readonly authority?: string;
}

/** Fetches tokens of Microsoft Entra for an application with a secret (client credentials grant). */
export function clientCredentialsGrant(credentials: ClientCredentials, transport: Transport): FetchToken {
  const { tenantId, clientId, clientSecret, scope } = credentials;
  const authority = (credentials.authority ?? 'https://login.microsoftonline.com').replace(/\/+$/, '');
  const url = `${authority}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`;
  const form = {
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: clientSecret,
    scope,
  };
  return () => requestToken(transport, url, form, [clientSecret]);
}

interface ServiceAccount {
  readonly clientEmail: string;
  readonly privateKey: string;
  readonly privateKeyId: string | undefined;
  readonly tokenUri: string;
}

function readServiceAccount(text: string): ServiceAccount {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error('the service account key is not JSON');
  }
  if (!isRecord(json)) throw new Error('the service account key is not a JSON object');
  if (json.type !== 'service_account') {
    throw new Error(`the key file is of type ${JSON.stringify(json.type ?? null)}, not "service_account"`);
  }
  const clientEmail = meaningful(json.client_email);
  const privateKey = meaningful(json.private_key);
  if (clientEmail === undefined) throw new Error('the service account key has no client_email');
  if (privateKey === undefined) throw new Error('the service account key has no private_key');
  const tokenUri = meaningful(json.token_uri) ?? 'https://oauth2.googleapis.com/token';
  if (!/^https?:$/.test(URL.parse(tokenUri)?.protocol ?? '')) {
    throw new Error('token_uri of the service account key is not an HTTP address');
  }
  return { clientEmail, privateKey, privateKeyId: asString(json.private_key_id), tokenUri };
}

const ASSERTION_SECONDS = 3600;

/**
 * Fetches Google tokens for a service account (RFC 7523).
 * @param serviceAccountJson text of the key file
 * @throws Error with the member of the key file that is missing or invalid
 */
export function serviceAccountGrant(
  serviceAccountJson: string,
  scope: string,
  transport: Transport,
  clock: Pick<Clock, 'wallTime'>,
): FetchToken {
  const { clientEmail, privateKey, privateKeyId, tokenUri } = readServiceAccount(serviceAccountJson);
  return async () => {
    const { importPKCS8, SignJWT } = await import('jose');
    const issuedAt = Math.floor(clock.wallTime() / 1000);
    const key = await importPKCS8(privateKey, 'RS256').catch((cause: unknown) => {
      throw new GatewayError(
        'upstream_auth_failed',
        'Could not fetch an access token: private_key of the service account key is not an RSA key in PEM form (PKCS#8).',
        { cause },
      );
    });
    const assertion = await new SignJWT({ scope })
      .setProtectedHeader({
        alg: 'RS256',
        typ: 'JWT',
        ...(privateKeyId === undefined ? {} : { kid: privateKeyId }),
      })
      .setIssuer(clientEmail)
      .setAudience(tokenUri)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + ASSERTION_SECONDS)
      .sign(key);
    const form = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion };
    return requestToken(transport, tokenUri, form, [assertion]);
  };
}
