import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { UpstreamTls } from '../platform/http-client.ts';

/** Paths of PEM files; null for the authorities of the system, and for no client certificate. */
export interface ClientTlsPaths {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

/**
 * Reads the files with which this gateway connects to others, and checks that certificate and key belong together.
 * @param nameOf names a key of the configuration in messages, such as `"tls.ca" of a provider`
 * @throws Error that names the file and its key
 */
export function readClientTls(
  { ca, cert, key }: ClientTlsPaths,
  nameOf: (key: keyof ClientTlsPaths) => string,
): UpstreamTls {
  const read = (name: keyof ClientTlsPaths, path: string | null) => {
    if (path === null) return {};
    const text = readPem(path, nameOf(name));
    return { [name]: text };
  };
  const files: UpstreamTls = { ...read('ca', ca), ...read('cert', cert), ...read('key', key) };
  if (files.cert === undefined || files.key === undefined) return files;
  let belongs: boolean;
  try {
    belongs = new X509Certificate(files.cert).checkPrivateKey(createPrivateKey(files.key));
  } catch (cause) {
    const message = `${nameOf('cert')} and ${nameOf('key')} must hold a certificate and its private key, not encrypted: ${reasonOf(cause)}`;
    throw new Error(message, { cause });
  }
  if (belongs) return files;
  throw new Error(
    `The private key in ${nameOf('key')} (${key}) does not belong to ${nameOf('cert')} (${cert}).`,
  );
}

function readPem(path: string, name: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new Error(`Cannot read ${name}: ${reasonOf(cause)}`, { cause });
  }
  if (text.includes('-----BEGIN ')) return text;
  throw new Error(`${name}: ${path} is not a PEM file.`);
}

/**
 * Why servers would reject the client certificate now.
 * @param now Unix milliseconds
 * @returns undefined for one within its period, and without one
 */
export function clientCertificateProblem(
  { cert }: UpstreamTls,
  name: string,
  now: number,
): string | undefined {
  if (cert === undefined) return undefined;
  const { validFrom, validTo, subject } = new X509Certificate(cert);
  const [from, to] = [new Date(validFrom), new Date(validTo)];
  const who = `The client certificate ${name} of ${subject.replaceAll('\n', ', ')}`;
  if (now > to.getTime()) return `${who} expired on ${to.toISOString()}. Renew it.`;
  if (now < from.getTime()) return `${who} is not valid before ${from.toISOString()}.`;
  return undefined;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
