import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { TlsCredentials } from '../platform/socket-listener.ts';

/** The server's certificate and private key as files: reads, checks and reloads them. */

/** Paths of PEM files. */
export interface TlsPaths {
  readonly cert: string;
  readonly key: string;
  /** Certificate authorities of clients; null or absent asks for no certificates. */
  readonly client_ca?: string | null;
}

/** Credentials that fit together, with what a log line says about them. */
export interface LoadedCredentials extends TlsCredentials {
  /** Subject of the server certificate, such as `CN=weir.example.com`. */
  readonly subject: string;
  readonly validFrom: Date;
  readonly validTo: Date;
}

/** The files cannot be used as they are. The message names the file and its configuration key. */
export class TlsFilesError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TlsFilesError';
  }
}

/** Reads a file as text, with rejections like those of `node:fs`. For tests. */
export type ReadText = (path: string) => Promise<string>;

const readText: ReadText = (path) => readFile(path, 'utf8');

/**
 * Reads both files and checks that the key belongs to the certificate.
 * @throws TlsFilesError
 */
export async function loadTlsFiles(paths: TlsPaths, read: ReadText = readText): Promise<LoadedCredentials> {
  const cert = await readNamed(paths.cert, 'server.tls.cert', read);
  const key = await readNamed(paths.key, 'server.tls.key', read);
  const loaded = checkCredentials({ cert, key }, paths);
  if (!paths.client_ca) return loaded;
  const clientCa = await readNamed(paths.client_ca, 'server.tls.client_ca', read);
  try {
    createSecureContext({ ca: clientCa });
    if (clientCa.includes('-----BEGIN CERTIFICATE-----')) return { ...loaded, clientCa };
  } catch (cause) {
    throw notAuthorities(paths.client_ca, cause);
  }
  throw notAuthorities(paths.client_ca);
}

function notAuthorities(path: string, cause?: unknown): TlsFilesError {
  return new TlsFilesError(`"${path}" ("server.tls.client_ca") holds no certificates in PEM form.`, {
    cause,
  });
}

async function readNamed(path: string, name: string, read: ReadText): Promise<string> {
  try {
    return await read(path);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: 'there is no such file',
      EACCES: 'this user may not read it',
      EISDIR: 'it is a directory',
    };
    const reason = reasons[code] ?? (cause instanceof Error ? cause.message : String(cause));
    throw new TlsFilesError(`Cannot read "${path}" ("${name}"): ${reason}.`, { cause });
  }
}

function checkCredentials(credentials: TlsCredentials, paths: TlsPaths): LoadedCredentials {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(credentials.cert);
  } catch (cause) {
    throw new TlsFilesError(
      `"${paths.cert}" ("server.tls.cert") holds no certificate in PEM form, which begins with "-----BEGIN CERTIFICATE-----".`,
      { cause },
    );
  }
  if (!certificate.checkPrivateKey(privateKey(credentials.key, paths.key))) {
    throw new TlsFilesError(
      `The private key in "${paths.key}" ("server.tls.key") does not belong to the certificate in "${paths.cert}" ("server.tls.cert").`,
    );
  }
  try {
    createSecureContext(credentials);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TlsFilesError(`"${paths.cert}" and "${paths.key}" cannot be used for TLS: ${reason}.`, {
      cause,
    });
  }
  return {
    ...credentials,
    subject: certificate.subject.replaceAll('\n', ', '),
    validFrom: new Date(certificate.validFrom),
    validTo: new Date(certificate.validTo),
  };
}

function privateKey(pem: string, path: string): KeyObject {
  if (/-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(pem)) {
    throw new TlsFilesError(
      `The private key in "${path}" ("server.tls.key") is encrypted. Decrypt it, for example with "openssl pkey".`,
    );
  }
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new TlsFilesError(
      `"${path}" ("server.tls.key") holds no private key in PEM form, which begins with "-----BEGIN PRIVATE KEY-----".`,
      { cause },
    );
  }
}

/** Why clients would reject a certificate now; undefined when it is within its period. */
export function validityProblem(
  { subject, validFrom, validTo }: Pick<LoadedCredentials, 'subject' | 'validFrom' | 'validTo'>,
  now: number,
): string | undefined {
  if (now > validTo.getTime()) return `The certificate of ${subject} expired on ${validTo.toISOString()}.`;
  if (now < validFrom.getTime())
    return `The certificate of ${subject} is not valid before ${validFrom.toISOString()}.`;
  return undefined;
}

/** How often the files are read, in milliseconds: two small files, so that it works on any file system. */
const CHECK_MS = 10_000;

export interface TlsReloaderOptions {
  readonly paths: TlsPaths;
  /** What is in force. */
  readonly current: LoadedCredentials;
  /** Puts new credentials in force. */
  readonly apply: (credentials: LoadedCredentials) => void;
  readonly onReloaded: (credentials: LoadedCredentials) => void;
  /** The files changed and cannot be used; the old credentials stay in force. Called once for the same fault. */
  readonly onRejected: (error: TlsFilesError) => void;
  /** Unix milliseconds; the system's by default. */
  readonly now?: () => number;
  /** Calls back every `ms` milliseconds until what it returns is called; a timer by default. */
  readonly every?: (ms: number, callback: () => void) => () => void;
  readonly read?: ReadText;
}

export type TlsReloadOutcome = 'reloaded' | 'unchanged' | 'rejected';

/**
 * Reloads the files when they change. It compares what the files hold and not their times: a renewal may replace
 * links, keep times or write the two files one after the other. In the last case the first check finds two that do
 * not belong together, and a later one finds the pair.
 */
export class TlsReloader {
  readonly #options: TlsReloaderOptions;
  readonly #stop: () => void;
  #current: LoadedCredentials;
  #lastFault = '';
  /** One check at a time. */
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: TlsReloaderOptions) {
    this.#options = options;
    this.#current = options.current;
    this.#stop = (options.every ?? every)(CHECK_MS, () => void this.check());
  }

  /** Reads the files now. Never rejects. */
  check(): Promise<TlsReloadOutcome> {
    const checked = this.#queue.then(() => this.#check());
    this.#queue = checked;
    return checked;
  }

  close(): void {
    this.#closed = true;
    this.#stop();
  }

  async #check(): Promise<TlsReloadOutcome> {
    const { paths, read, apply, onReloaded, onRejected, now = Date.now } = this.#options;
    if (this.#closed) return 'unchanged';
    try {
      const next = await loadTlsFiles(paths, read);
      if (this.#closed) return 'unchanged';
      const { cert, key, clientCa } = this.#current;
      if (next.cert === cert && next.key === key && next.clientCa === clientCa) {
        this.#lastFault = '';
        return 'unchanged';
      }
      const problem = validityProblem(next, now());
      if (problem !== undefined) throw new TlsFilesError(problem);
      apply(next);
      this.#current = next;
      this.#lastFault = '';
      onReloaded(next);
      return 'reloaded';
    } catch (thrown) {
      const error =
        thrown instanceof TlsFilesError ? thrown : new TlsFilesError(String(thrown), { cause: thrown });
      if (error.message !== this.#lastFault) onRejected(error);
      this.#lastFault = error.message;
      return 'rejected';
    }
  }
}

function every(ms: number, callback: () => void): () => void {
  const timer = setInterval(callback, ms);
  timer.unref();
  return () => clearInterval(timer);
}
