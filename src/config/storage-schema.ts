import { z } from 'zod';
import { boolean, duration, integer, list, listOfMany, nullable, secret, section, text } from './fields.ts';

export const DEFAULT_DATA_DIR = './data';

const SERVER_ID = /^[a-z0-9][a-z0-9-]{0,30}$/;

/** Where state is kept. */
export const storage = () =>
  section({
    data_dir: nullable(text(4_000)).describe(
      'The directory of what is kept on this machine: usage that waits to be stored, and the files of SQLite. By default that of `database_url`, or `./data`.',
    ),
    database_url: url(databaseUrlFault)
      .prefault(`sqlite:${DEFAULT_DATA_DIR}`)
      .describe(
        'The database: `sqlite:` and the directory of its files, which is made if it is missing, or `postgres://user:password@host/database`. The default follows `WEIR_DATA_DIR`.',
      ),
    replica_url: nullable(url(postgresUrlFault)).describe(
      'A replica of the PostgreSQL server, which usage and audit are read from.',
    ),
    servers: listOfMany(() =>
      z.strictObject({
        id: z
          .string()
          .regex(SERVER_ID, 'must be 1 to 31 small letters, digits and "-", beginning with a letter or digit')
          .describe('What tenants are placed on it by, such as `eu`.'),
        database_url: url(databaseUrlFault).describe('The server, as above.'),
        replica_url: nullable(url(postgresUrlFault)).describe('Its replica, for reading.'),
      }),
    ).describe('More database servers, in other places, that tenants can be put on.'),
    max_connections: integer(4, 10_000)
      .prefault(50)
      .describe(
        'Connections to tenants’ databases at the same time, all together. Those that were not used for longest are closed for others.',
      ),
    keep_usage: boolean()
      .prefault(true)
      .describe(
        'Whether what requests use is kept, for reports, invoices and the last use of keys. Without it, limits, budgets and metrics count it all the same.',
      ),
    redis_url: nullable(url(redisUrlFault)).describe(
      'Redis or Valkey, which replicas share limits through: `redis://`, or `rediss://` with TLS; `redis+sentinel://host:port,host:port/name` with Sentinel; `redis+cluster://host:port,host:port` for a cluster. Without it, limits are counted in memory, which is right for a single gateway.',
    ),
    redis_prefix: text(50)
      .prefault('weir')
      .describe('What the names of all its keys begin with, where several installations share one Redis.'),
    redis_timeout: duration(1)
      .prefault('500ms')
      .describe('How long Redis may take; what is slower counts as not reachable.'),
  });

/** Signing in, and tokens. */
export const auth = () =>
  section({
    session: duration(1)
      .prefault('12h')
      .describe('How long somebody who has signed in to the console stays so.'),
    token: duration(1).prefault('15m').describe('How long a token of `POST /v1/auth/token` is good.'),
    public_url: nullable(url(httpUrlFault)).describe(
      'Where people reach this gateway, such as `https://ai.example.com`: needed to sign in with an identity provider.',
    ),
    oidc: listOfMany(() =>
      z.strictObject({
        id: z
          .string()
          .regex(SERVER_ID, 'must be 1 to 31 small letters, digits and "-", beginning with a letter or digit')
          .describe('What its paths are named by, such as `google`.'),
        name: nullable(text(100)).describe('What people see; the id, by default.'),
        kind: z
          .enum(['oidc', 'github'])
          .prefault('oidc')
          .describe(
            '`oidc` for any OpenID Connect issuer, Google among them; `github` for GitHub’s OAuth 2.0.',
          ),
        issuer: nullable(url(httpUrlFault)).describe(
          'The issuer, such as `https://accounts.google.com`. With `github`, where it is not github.com.',
        ),
        client_id: text(500).describe('The application there.'),
        client_secret: nullable(secret()).describe('Its secret, where it has one.'),
        scopes: list(text(100)).describe('More scopes to ask for.'),
        allowed_domains: list(text(253)).describe(
          'Only people with an e-mail address of these domains may sign in; anybody, when empty.',
        ),
        sign_up: nullable(
          z.strictObject({
            tenant: text(63).describe('The tenant that they become members of.'),
            role: z
              .enum(['admin', 'developer', 'billing', 'viewer'])
              .prefault('viewer')
              .describe('With this role.'),
          }),
        ).describe('Whether people who are not known here become members of a tenant by signing in.'),
      }),
    ).describe('Identity providers that people can sign in to the console with.'),
    jwt: listOfMany(() =>
      z.strictObject({
        issuer: text(2_000).describe('The `iss` of its tokens.'),
        jwks_url: url(httpUrlFault).describe('Where its public keys are.'),
        audience: text(500).describe('The `aud` that its tokens must have.'),
        tenant_claim: nullable(text(100)).describe('The claim that names the tenant.'),
        tenant: nullable(text(63)).describe('The tenant, where no claim names it.'),
      }),
    ).describe('Issuers whose tokens are accepted in place of API keys.'),
  });

function url(fault: (value: string) => string | null) {
  return z.string().superRefine((value, context) => {
    const message = fault(value);
    if (message !== null) context.addIssue({ code: 'custom', message });
  });
}

function schemeOf(value: string): string | undefined {
  return /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(value)?.[1]?.toLowerCase();
}

// None of these messages quotes the value: it may hold a password.

function databaseUrlFault(value: string): string | null {
  const scheme = schemeOf(value);
  if (scheme === undefined)
    return 'expected sqlite: and a directory, such as sqlite:./data, or postgres://...';
  if (scheme === 'postgres' || scheme === 'postgresql') return postgresUrlFault(value);
  if (scheme !== 'sqlite') {
    return `"${scheme}:" is not supported: expected sqlite:<directory> or postgres://user:password@host/database`;
  }
  const directory = value.slice('sqlite:'.length);
  if (directory.trim() === '') return 'the directory is missing: write one after sqlite:';
  if (/^\/\/[^/]/.test(directory) || directory === ':memory:' || /\p{Cc}/u.test(directory)) {
    return 'expected a directory after sqlite:, such as sqlite:./data or sqlite:/var/lib/weir';
  }
  return null;
}

function postgresUrlFault(value: string): string | null {
  const scheme = schemeOf(value);
  if (scheme !== 'postgres' && scheme !== 'postgresql')
    return 'expected postgres://user:password@host/database';
  if (!URL.canParse(value)) return 'not a URL: are all special characters of the password written as %XX?';
  const { hostname, pathname } = new URL(value);
  if (hostname === '') return 'the host is missing';
  if (!/^\/[^/]+$/.test(pathname)) return 'the database is missing: postgres://user:password@host/database';
  return null;
}

const REDIS = /^(?:rediss?(?:\+cluster|\+sentinel)?):\/\/[^\s/]+/;

function redisUrlFault(value: string): string | null {
  if (!REDIS.test(value)) {
    return 'expected redis://host:port, rediss://host:port, redis+sentinel://host:port,host:port/name or redis+cluster://host:port,host:port';
  }
  if (/^rediss?\+sentinel:/.test(value) && !/^[^/]+:\/\/[^/]+\/[^/]+/.test(value)) {
    return 'with Sentinel, the name of the master is missing: redis+sentinel://host:port/name';
  }
  return null;
}

function httpUrlFault(value: string): string | null {
  return /^https?:\/\/[^/?#\s]/i.test(value) && URL.canParse(value)
    ? null
    : 'expected an http:// or https:// URL';
}
