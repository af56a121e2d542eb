import { z } from 'zod';
import { boolean, duration, integer, nullable, section, size, text } from './fields.ts';

/** Keys about connections: TLS of Weir's own port, and pools of connections to upstreams. */

const MAX_PATH = 4_096;
const MAX_CONNECTIONS = 1_000_000;

export const tls = () =>
  nullable(
    z.strictObject({
      cert: text(MAX_PATH).describe(
        'The path of the certificate chain in PEM, the server certificate first. Relative paths start at the working directory.',
      ),
      key: text(MAX_PATH).describe('The path of its private key in PEM, not encrypted.'),
      client_ca: nullable(text(MAX_PATH)).describe(
        'The path of a PEM file with certificate authorities: clients must present a certificate of one of them (mTLS). Null asks for none.',
      ),
    }),
  );

/** TLS to one provider, or to other regions. */
export const providerTls = () =>
  nullable(
    z
      .strictObject({
        ca: nullable(text(MAX_PATH)).describe(
          'The path of a PEM file with the certificate authority of the server; null for those of the system.',
        ),
        cert: nullable(text(MAX_PATH)).describe('The path of a client certificate in PEM (mTLS).'),
        key: nullable(text(MAX_PATH)).describe('The path of its private key in PEM, not encrypted.'),
      })
      .refine(({ cert, key }) => (cert === null) === (key === null), {
        message: 'requires `cert` and `key`, or neither',
      }),
  );

const maxConnections = () => integer(1, MAX_CONNECTIONS);
const keepalive = () => integer(0, MAX_CONNECTIONS);
const keepaliveExpiry = () => duration(0);

const MAX_CONNECTIONS_TEXT =
  'The largest number of open connections to one host and port. Further requests wait for a free one, for at most `connect_timeout`.';
const KEEPALIVE_TEXT =
  'The largest number of idle connections to one host and port that are kept for later requests.';
const EXPIRY_TEXT =
  'The time that an idle connection is kept. A shorter `Keep-Alive: timeout` of the upstream wins.';

/** Defaults for all providers. */
export const upstream = () =>
  section({
    max_connections: maxConnections().prefault(20_000).describe(MAX_CONNECTIONS_TEXT),
    keepalive: keepalive().prefault(800).describe(KEEPALIVE_TEXT),
    keepalive_expiry: keepaliveExpiry().prefault('30s').describe(EXPIRY_TEXT),
    rate_limit_headers: boolean()
      .prefault(true)
      .describe(
        'Sends the rate-limit headers of providers (`anthropic-ratelimit-*`, `x-ratelimit-*-requests` and others) to clients beside responses. They show the state of the account that all tenants share. Errors have them in any case.',
      ),
    max_response: size()
      .prefault('256MB')
      .describe(
        'The largest response body of a provider, streams included. A larger one fails with `upstream_invalid_response`.',
      ),
  });

/** Overrides for one provider. */
export const providerUpstream = () =>
  section({
    max_connections: nullable(maxConnections()).describe(`${MAX_CONNECTIONS_TEXT} Null: as in \`upstream\`.`),
    keepalive: nullable(keepalive()).describe(`${KEEPALIVE_TEXT} Null: as in \`upstream\`.`),
    keepalive_expiry: nullable(keepaliveExpiry()).describe(`${EXPIRY_TEXT} Null: as in \`upstream\`.`),
  });
