import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/** Self-signed certificates for tests, made when they are needed: no private key is kept in the repository. */

export interface TestCertificate {
  /** PEM. */
  readonly cert: string;
  /** PEM, PKCS #8, unencrypted. */
  readonly key: string;
}

export interface TestCertificateOptions {
  /** Common name of subject and issuer; `weir.test` by default. */
  readonly name?: string;
  /** A day ago by default. */
  readonly notBefore?: Date;
  /** In a year by default. */
  readonly notAfter?: Date;
}

const DAY_MS = 86_400_000;
const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const BOOLEAN_TRUE = Buffer.from([0x01, 0x01, 0xff]);
const ECDSA_WITH_SHA256 = oid('2a8648ce3d040302');
const COMMON_NAME = oid('550403');
const SUBJECT_ALT_NAME = oid('551d11');
const BASIC_CONSTRAINTS = oid('551d13');
const LOOPBACK = Buffer.from([127, 0, 0, 1]);

let shared: TestCertificate | undefined;

/** One certificate for all tests of a file that do not look at it. */
export function sharedCertificate(): TestCertificate {
  shared ??= createTestCertificate();
  return shared;
}

/** A P-256 certificate for `localhost` and `127.0.0.1` that signs itself, and so is its own authority (RFC 5280). */
export function createTestCertificate(options: TestCertificateOptions = {}): TestCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = sequence(
    der(SET, sequence(COMMON_NAME, der(UTF8_STRING, Buffer.from(options.name ?? 'weir.test')))),
  );
  const algorithm = sequence(ECDSA_WITH_SHA256);
  const now = Date.now();
  const alternatives = sequence(der(0x82, Buffer.from('localhost')), der(0x87, LOOPBACK));
  const body = sequence(
    der(0xa0, der(INTEGER, Buffer.from([2]))),
    der(INTEGER, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    name,
    sequence(
      utcTime(options.notBefore ?? new Date(now - DAY_MS)),
      utcTime(options.notAfter ?? new Date(now + 365 * DAY_MS)),
    ),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(
      0xa3,
      sequence(
        sequence(BASIC_CONSTRAINTS, BOOLEAN_TRUE, der(OCTET_STRING, sequence(BOOLEAN_TRUE))),
        sequence(SUBJECT_ALT_NAME, der(OCTET_STRING, alternatives)),
      ),
    ),
  );
  const signature = der(BIT_STRING, Buffer.concat([Buffer.from([0]), sign('sha256', body, privateKey)]));
  const base64 = sequence(body, algorithm, signature).toString('base64').replaceAll(/.{64}/g, '$&\n').trim();
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(SEQUENCE, Buffer.concat(parts));
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'));
}

/** `YYMMDDHHMMSSZ`. */
function utcTime(date: Date): Buffer {
  return der(
    UTC_TIME,
    Buffer.from(
      date
        .toISOString()
        .replaceAll(/[-:T]|\.\d+/g, '')
        .slice(2),
    ),
  );
}
