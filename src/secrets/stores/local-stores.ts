import { open } from 'node:fs/promises';
import type { SecretDocument, SecretStore } from '../secret-store.ts';
import { SecretError } from '../secret-store.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Bytes of one file: a key file has a few thousand. */
const MAX_FILE = 256 * 1024;

/**
 * Reads a small text file of this machine.
 * @throws SecretError for a file that is missing, not readable, too large, or not a regular file
 */
export async function readSecretFile(path: string): Promise<string> {
  try {
    const file = await open(path, 'r');
    try {
      const status = await file.stat();
      if (!status.isFile()) throw new SecretError(`"${path}" is not a regular file`);
      if (status.size > MAX_FILE) throw new SecretError(`"${path}" is larger than ${MAX_FILE} bytes`);
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof SecretError) throw cause;
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    const reason = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`;
    throw new SecretError(`"${path}": ${reason}`, false, { cause });
  }
}

/** `file://`: files of this machine, such as mounted secrets. */
export const fileStore: SecretStore = {
  async read({ parts: [path = ''] }): Promise<SecretDocument> {
    return { kind: 'text', text: await readSecretFile(path) };
  },
};

/** `env://`: variables of this process. */
export function environmentStore(env: Environment): SecretStore {
  return {
    read: async ({ parts: [name = ''] }) => {
      const text = Object.hasOwn(env, name) ? env[name] : undefined;
      if (text === undefined) throw new SecretError(`the environment variable ${name} is not set`);
      return { kind: 'text', text };
    },
  };
}
