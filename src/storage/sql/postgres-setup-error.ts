/** PostgreSQL rejects Weir for a reason that its operator has to remove. The message is complete without a stack. */
export class DatabaseSetupError extends Error {
  override readonly name = 'DatabaseSetupError';
}

/** What to do, by SQLSTATE or by the driver's code. @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
const ADVICE: Readonly<Record<string, string>> = {
  '3D000': 'Create it, for example with `createdb -O <user> <database>`, or correct the database in the URL.',
  '28P01': 'Correct the user and the password in the URL.',
  '28000': 'Correct the user in the URL, or allow its connections in pg_hba.conf.',
  '25006': 'This server is a read replica. Use the URL of the primary.',
};

const UNKNOWN_AUTHORITY =
  'Set `storage.database_ca` to the certificate authority of the server, or use `sslmode=no-verify`, which does not protect from impostors.';

/** The same for certificates that the gateway rejects. @see https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const CERTIFICATE_ADVICE: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  ERR_TLS_CERT_ALTNAME_INVALID: 'Use the host name of the certificate in the URL.',
  CERT_HAS_EXPIRED: 'Renew the certificate of the server.',
};

const INSUFFICIENT_PRIVILEGE = '42501';

/** @returns a DatabaseSetupError for a cause that its operator has to remove; otherwise the cause itself */
export function setupError(cause: unknown): unknown {
  if (!(cause instanceof Error) || cause instanceof DatabaseSetupError) return cause;
  const code = 'code' in cause ? String(cause.code) : '';
  const certificate = CERTIFICATE_ADVICE[code];
  if (certificate !== undefined) {
    return new DatabaseSetupError(
      `The certificate of PostgreSQL is not accepted: ${cause.message}. ${certificate}`,
      { cause },
    );
  }
  const advice = code === INSUFFICIENT_PRIVILEGE ? privilegeAdvice(cause.message) : ADVICE[code];
  if (advice === undefined && !/does not support SSL/i.test(cause.message)) return cause;
  const text = advice ?? 'Remove `sslmode` from the URL, or enable TLS at the server.';
  return new DatabaseSetupError(
    `PostgreSQL rejected Weir: ${cause.message}. ${text} The URL is DATABASE_URL, or "storage" in the configuration.`,
    { cause },
  );
}

function privilegeAdvice(message: string): string {
  return /create database/i.test(message)
    ? 'Each tenant has its own database. As a superuser: `ALTER ROLE <user> CREATEDB;`.'
    : 'Make the user the owner of the database: `ALTER DATABASE <database> OWNER TO <user>;`.';
}
