import { z } from 'zod';
import {
  boolean,
  days,
  duration,
  integer,
  list,
  listOfMany,
  nullable,
  secret,
  section,
  text,
} from './fields.ts';
import { storageLocation } from './location-field.ts';
import { regionName } from './region-schema.ts';
import { isSecretReference } from './secret-reference.ts';

export const DEFAULT_DATA_DIR = './data';

const SERVER_ID = /^[a-z0-9][a-z0-9-]{0,30}$/;

/** Databases, Redis and local files. */
export const storage = () =>
  section({
    data_dir: nullable(text(4_000)).describe(
      'The directory of local data: the usage journal and the SQLite files. By default the directory of `database_url`, or `./data`.',
    ),
    database_url: secretUrl(databaseUrlFault)
      .prefault(`sqlite:${DEFAULT_DATA_DIR}`)
      .describe(
        'The database: `sqlite:` and a directory, which is created if it does not exist, or `postgres://user:password@host/database`. The default follows `WEIR_DATA_DIR`.',
      ),
    region: nullable(regionName()).describe('Where the server of `database_url` is. By default unknown.'),
    replica_url: nullable(secretUrl(postgresUrlFault)).describe(
      'A read replica of the PostgreSQL server, for usage and audit queries.',
    ),
    database_ca: nullable(text(4_000)).describe(
      'A PEM file with the certificate authority of the PostgreSQL servers. It turns on TLS with checks of certificate and host name; `sslmode` in a URL takes precedence. Without it, `sslmode=verify-full` in a URL uses the system’s authorities.',
    ),
    database_cert: nullable(text(4_000)).describe(
      'A PEM file with a client certificate for the PostgreSQL servers (mTLS); `sslcert` in a URL takes precedence.',
    ),
    database_key: nullable(text(4_000)).describe('A PEM file with its private key, not encrypted.'),
    servers: listOfMany(() =>
      z.strictObject({
        id: z
          .string()
          .regex(
            SERVER_ID,
            'must be 1 to 31 lower-case letters, digits and "-", beginning with a letter or digit',
          )
          .describe('The name of the server for placing tenants, such as `eu`.'),
        database_url: secretUrl(databaseUrlFault).describe(
          'The server, in the form of `storage.database_url`.',
        ),
        replica_url: nullable(secretUrl(postgresUrlFault)).describe('Its read replica.'),
        region: nullable(regionName()).describe(
          'Where the server is. Tenants with a residency are placed on servers of their regions only.',
        ),
      }),
    ).describe('More database servers on which tenants can be placed, for example in other regions.'),
    connect_timeout: duration(0)
      .prefault('60s')
      .describe(
        'How long a start waits for an unreachable database server, with an attempt every few seconds. `0s` tries once.',
      ),
    max_connections: integer(4, 10_000)
      .prefault(50)
      .describe(
        'Open connections to tenants’ databases in total. The least recently used one is closed when another is needed. With PostgreSQL, half of them store usage: with at least twice as many as tenants that are active in the same minute, none of these has to connect again. SQLite files for usage stay open beyond this number as far as memory allows.',
      ),
    keep_usage: boolean()
      .prefault(true)
      .describe(
        'Stores the usage of each request for reports, invoices and the last use of keys. Limits, budgets and metrics count usage either way.',
      ),
    retention: section({
      usage: kept('400d').describe('Usage events, and their sums by hour and day.'),
      audit: kept('400d').describe('Entries of the audit trails.'),
      responses: kept('30d').describe('Responses of the Responses API with `store: true`.'),
      events: kept('7d').describe(
        'Durable events that every consumer has received. Others are kept four times as long. At most a million.',
      ),
    }).describe(
      'How long data is kept, in days; `null` keeps it for good. Older data is deleted in the background. A tenant may have a retention of its own.',
    ),
    usage_archive: nullable(usageArchive()).describe(
      'Moves usage events of old months out of the database into compressed files; their sums stay. Needs `to` only. By default none are moved.',
    ),
    backups: nullable(backups()).describe(
      'Watches the backups that a schedule makes, for the metric `weir_backup_age_seconds` and the alert `backup_overdue`. Weir makes none by this. Needs `location` only.',
    ),
    report_files: nullable(storageLocation(1_000)).describe(
      'Where [reports](reports.md) are written whose schedules ask for files: a folder, or `s3://bucket/prefix` with credentials from the environment.',
    ),
    redis_url: nullable(secretUrl(redisUrlFault)).describe(
      'Redis or Valkey, through which replicas share limits and notify each other of changes: `redis://`, or `rediss://` with TLS; `redis+sentinel://host:port,host:port/name` with Sentinel; `redis+cluster://host:port,host:port` for a cluster; `redis+unix:///path` at a Unix socket. Without it, limits are counted in memory, which suits a single gateway.',
    ),
    redis_replica_url: nullable(secretUrl(redisUrlFault)).describe(
      'A read replica of `redis_url`, or the address in front of several: cached responses are read from it, and everything else from `redis_url`. With `redis+sentinel://` and `redis+cluster://`, replicas that Sentinel or the cluster names. A replica may serve what `clear` has just removed.',
    ),
    redis_ca: nullable(text(4_000)).describe(
      'A PEM file with the certificate authority of a `rediss:` server. By default the system’s authorities.',
    ),
    redis_cert: nullable(text(4_000)).describe(
      'A PEM file with a client certificate for a `rediss:` server (mTLS).',
    ),
    redis_key: nullable(text(4_000)).describe('A PEM file with its private key, not encrypted.'),
    redis_prefix: text(50)
      .prefault('weir')
      .describe('The prefix of all Redis keys, for several installations on one Redis.'),
    redis_event_streams: nullable(integer(1_000, 10_000_000)).describe(
      'Appends [durable events](events.md#streams-of-redis) to streams of Redis for other systems. Each of the eight streams keeps about this many. By default none are written.',
    ),
    redis_timeout: duration(1)
      .prefault('500ms')
      .describe('The timeout of a Redis command; a slower Redis counts as unreachable.'),
  });

const backups = () =>
  z.strictObject({
    location: storageLocation(1_000).describe(
      'Where `weir backup` writes: a folder that this gateway reads, or `s3://bucket/prefix` with credentials from the environment that may list it.',
    ),
    interval: duration(1)
      .prefault('5m')
      .describe('The time from one backup to the next. After two intervals without one, the alert fires.'),
    endpoint: nullable(url(httpUrlFault)).describe(
      'The address of the store, such as `https://minio.internal:9000`. By default that of AWS.',
    ),
    region: nullable(text(100)).describe('Its region, such as `eu-central-1`.'),
  });

const usageArchive = () =>
  z.strictObject({
    to: storageLocation(1_000).describe('A folder, or `s3://bucket/prefix` of an S3-compatible store.'),
    after: days()
      .prefault('90d')
      .describe('How old the end of a month (UTC) must be. Searches of requests find younger ones only.'),
    keep: nullable(days()).describe('How old the events of a file may become; null keeps them for good.'),
    endpoint: nullable(url(httpUrlFault)).describe(
      'The address of the store, such as `https://minio.internal:9000`. By default that of AWS.',
    ),
    region: nullable(text(100)).describe('Its region, such as `eu-central-1`.'),
    access_key_id: nullable(text(200)).describe(
      'The access key. By default `AWS_ACCESS_KEY_ID`, or the credentials of the machine.',
    ),
    secret_access_key: nullable(secret()).describe('The secret of `access_key_id`.'),
  });

/** Signing in, and tokens. */
export const auth = () =>
  section({
    session: duration(1).prefault('12h').describe('The lifetime of a console session.'),
    token: duration(1).prefault('15m').describe('The lifetime of a token from `POST /v1/auth/token`.'),
    public_url: nullable(url(httpUrlFault)).describe(
      'The public URL of this gateway, such as `https://ai.example.com`. Required for sign-in with an identity provider.',
    ),
    oidc: listOfMany(() =>
      z.strictObject({
        id: z
          .string()
          .regex(
            SERVER_ID,
            'must be 1 to 31 lower-case letters, digits and "-", beginning with a letter or digit',
          )
          .describe('The name of the provider in URL paths, such as `google`.'),
        name: nullable(text(100)).describe('The label on the sign-in page; by default the id.'),
        kind: z
          .enum(['oidc', 'github'])
          .prefault('oidc')
          .describe('`oidc` for an OpenID Connect issuer such as Google; `github` for GitHub’s OAuth 2.0.'),
        issuer: nullable(url(httpUrlFault)).describe(
          'The issuer, such as `https://accounts.google.com`. With `github`, only for a server other than github.com.',
        ),
        client_id: text(500).describe('The client id of the application.'),
        client_secret: nullable(secret()).describe('The client secret, if the application has one.'),
        scopes: list(text(100)).describe('Additional scopes to request.'),
        allowed_domains: list(text(253)).describe(
          'E-mail domains whose users may sign in. Empty: every domain.',
        ),
        sign_up: nullable(
          z.strictObject({
            tenant: text(63).describe('The tenant that new users join.'),
            role: z
              .enum(['admin', 'developer', 'billing', 'viewer'])
              .prefault('viewer')
              .describe('Their role.'),
          }),
        ).describe('Adds unknown users to a tenant when they sign in; null rejects them.'),
      }),
    ).describe('Identity providers for console sign-in.'),
    jwt: listOfMany(() =>
      z.strictObject({
        issuer: text(2_000).describe('The `iss` claim of its tokens.'),
        jwks_url: url(httpUrlFault).describe('The URL of its public keys.'),
        audience: text(500).describe('The required `aud` claim.'),
        tenant_claim: nullable(text(100)).describe('The claim that names the tenant.'),
        tenant: nullable(text(63)).describe('The tenant of tokens without that claim.'),
      }),
    ).describe('Issuers whose tokens are accepted instead of API keys.'),
  });

/** A retention; null keeps data for good. */
const kept = (usual: string) =>
  z.preprocess((value) => (value === '' ? null : value), days().nullable()).prefault(usual);

function url(fault: (value: string) => string | null) {
  return z.string().superRefine((value, context) => {
    const message = fault(value);
    if (message !== null) context.addIssue({ code: 'custom', message });
  });
}

/** A URL with a password, or a reference to one. */
function secretUrl(fault: (value: string) => string | null) {
  return url((value) => (isSecretReference(value) ? null : fault(value))).meta({ 'x-secret': true });
}

function schemeOf(value: string): string | undefined {
  return /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(value)?.[1]?.toLowerCase();
}

// No message quotes the value: it may contain a password.

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

const REDIS = /^(?:rediss?(?:\+cluster|\+sentinel)?:\/\/[^\s/]+|redis\+unix:\/\/\/[^\s]+)/;

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
