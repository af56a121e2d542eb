import { describe, expect, test } from 'bun:test';
import { generateKeyPairSync } from 'node:crypto';
import { createTestCertificate, type TestCertificate } from '../../test/support/certificates.ts';
import { type LoadedCredentials, loadTlsFiles, TlsFilesError, TlsReloader } from './tls-files.ts';

const PATHS = { cert: '/certs/tls.crt', key: '/certs/tls.key' };
const DAY_MS = 86_400_000;

/** Both files, as a map that can be written to. */
function filesOf({ cert, key }: TestCertificate) {
  const files = new Map([
    [PATHS.cert, cert],
    [PATHS.key, key],
  ]);
  const read = async (path: string): Promise<string> => {
    const text = files.get(path);
    if (text === undefined) throw Object.assign(new Error('missing'), { code: 'ENOENT' });
    return text;
  };
  return { files, read };
}

describe('loadTlsFiles', () => {
  test('returns the pair with its subject', async () => {
    const certificate = createTestCertificate({ name: 'weir.test' });
    const loaded = await loadTlsFiles(PATHS, filesOf(certificate).read);
    expect(loaded).toMatchObject({ ...certificate, subject: 'CN=weir.test' });
    expect(loaded.validTo.getTime()).toBeGreaterThan(Date.now() + 364 * DAY_MS);
  });

  test('takes a chain, the server certificate first', async () => {
    const { cert, key } = createTestCertificate({ name: 'leaf.test' });
    const chain = { cert: cert + createTestCertificate({ name: 'ca.test' }).cert, key };
    expect(await loadTlsFiles(PATHS, filesOf(chain).read)).toMatchObject({ subject: 'CN=leaf.test' });
  });

  const good = createTestCertificate();
  const encrypted = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' },
  }).privateKey;

  test.each<[string, TestCertificate, string]>([
    [
      'text without a certificate',
      { ...good, cert: 'nonsense' },
      '"/certs/tls.crt" ("server.tls.cert") holds no',
    ],
    [
      'an empty certificate',
      { ...good, cert: '' },
      '"/certs/tls.crt" ("server.tls.cert") holds no certificate',
    ],
    [
      'certificate and key exchanged',
      { cert: good.key, key: good.cert },
      '"/certs/tls.crt" ("server.tls.cert") holds no',
    ],
    ['half a certificate', { ...good, cert: good.cert.slice(0, 200) }, '("server.tls.cert") holds no'],
    [
      'text without a key',
      { ...good, key: 'nonsense' },
      '"/certs/tls.key" ("server.tls.key") holds no private key',
    ],
    ['an encrypted key', { ...good, key: encrypted }, '"/certs/tls.key" ("server.tls.key") is encrypted'],
    [
      'the key of another',
      { ...good, key: createTestCertificate().key },
      'does not belong to the certificate',
    ],
  ])('rejects %s and names the file and its key', async (_name, files, message) => {
    const error = await loadTlsFiles(PATHS, filesOf(files).read).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TlsFilesError);
    expect(String(error)).toContain(message);
    expect(String(error)).not.toContain('BEGIN CERTIFICATE-----\n');
  });

  test('names a file that is missing', async () => {
    expect(loadTlsFiles({ ...PATHS, key: '/nowhere' }, filesOf(good).read)).rejects.toThrow(
      'Cannot read "/nowhere" ("server.tls.key"): there is no such file.',
    );
  });
});

describe('TlsReloader', () => {
  async function setUp() {
    const first = createTestCertificate({ name: 'first.test' });
    const { files, read } = filesOf(first);
    const applied: LoadedCredentials[] = [];
    const rejected: string[] = [];
    let tick = (): void => undefined;
    let stopped = false;
    const reloader = new TlsReloader({
      paths: PATHS,
      current: await loadTlsFiles(PATHS, read),
      read,
      apply: (credentials) => applied.push(credentials),
      onReloaded: () => undefined,
      onRejected: ({ message }) => rejected.push(message),
      every: (_ms, callback) => {
        tick = callback;
        return () => {
          stopped = true;
        };
      },
    });
    const write = ({ cert, key }: TestCertificate) => files.set(PATHS.cert, cert).set(PATHS.key, key);
    return { first, files, applied, rejected, reloader, write, tick: () => tick(), stopped: () => stopped };
  }

  test('applies files that have changed, once', async () => {
    const { applied, reloader, write, tick } = await setUp();
    expect(await reloader.check()).toBe('unchanged');
    const next = createTestCertificate({ name: 'next.test' });
    write(next);
    tick();
    expect(await reloader.check()).toBe('unchanged');
    expect(applied).toEqual([expect.objectContaining({ ...next, subject: 'CN=next.test' })]);
  });

  test('rejects unusable files, reports each fault once, and applies corrected files', async () => {
    const { files, applied, rejected, reloader, write } = await setUp();
    const next = createTestCertificate({ name: 'next.test' });
    // A renewal that has written one of the two files.
    files.set(PATHS.cert, next.cert);
    expect(await reloader.check()).toBe('rejected');
    expect(await reloader.check()).toBe('rejected');
    expect([applied, rejected]).toEqual([[], [expect.stringContaining('does not belong')]]);
    files.set(PATHS.cert, 'nonsense');
    expect(await reloader.check()).toBe('rejected');
    expect(rejected).toHaveLength(2);
    write(next);
    expect(await reloader.check()).toBe('reloaded');
    expect(applied).toHaveLength(1);
  });

  test.each([
    ['expired', { notAfter: new Date(Date.now() - DAY_MS) }, 'expired on'],
    ['not valid yet', { notBefore: new Date(Date.now() + DAY_MS) }, 'is not valid before'],
  ])('rejects a certificate that is %s', async (_name, period, message) => {
    const { applied, rejected, reloader, write } = await setUp();
    write(createTestCertificate({ name: 'late.test', notBefore: new Date(0), ...period }));
    expect(await reloader.check()).toBe('rejected');
    expect([applied, rejected]).toEqual([[], [expect.stringContaining(message)]]);
  });

  test('keeps the old pair while files are missing', async () => {
    const { first, files, applied, rejected, reloader, write } = await setUp();
    files.delete(PATHS.key);
    expect(await reloader.check()).toBe('rejected');
    write(first);
    expect(await reloader.check()).toBe('unchanged');
    expect([applied, rejected.length]).toEqual([[], 1]);
  });

  test('does nothing when closed', async () => {
    const { applied, reloader, write, stopped } = await setUp();
    write(createTestCertificate());
    const checking = reloader.check();
    reloader.close();
    expect([await checking, await reloader.check(), stopped()]).toEqual(['unchanged', 'unchanged', true]);
    expect(applied).toEqual([]);
  });
});
