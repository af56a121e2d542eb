import { promisify } from 'node:util';
import { deflateRaw, inflateRawSync } from 'node:zlib';
import type { LoggedContent, LoggedRow } from '../storage/logged-request.ts';
import type { LogKey } from './request-log-keys.ts';

/** Bytes of an opened content, at most: what is sealed is bounded, and a damaged row must not fill the memory. */
const MAX_OPENED = 64 * 1024 * 1024;
/** The fastest: texts still shrink to a third. */
const LEVEL = 1;

const compressed = promisify(deflateRaw);

/** Compresses in another thread, because a long prompt takes longer than requests may wait. */
export async function sealContent(content: LoggedContent, { box }: LogKey): Promise<string> {
  const bytes = await compressed(JSON.stringify(content), { level: LEVEL });
  return box.sealBytes(bytes).toString('base64');
}

/** @returns undefined for a row that was changed, or whose key is gone */
export function openContent(
  { id, keyVersion, sealed }: Pick<LoggedRow, 'id' | 'keyVersion' | 'sealed'>,
  keys: ReadonlyMap<number, LogKey>,
): LoggedContent | undefined {
  const key = keys.get(keyVersion);
  if (!key) return undefined;
  try {
    const bytes = inflateRawSync(key.box.openBytes(Buffer.from(sealed, 'base64')), {
      maxOutputLength: MAX_OPENED,
    });
    const content: LoggedContent = JSON.parse(bytes.toString('utf8'));
    return content.row === id ? content : undefined;
  } catch {
    // The seal says that it is not what was written.
    return undefined;
  }
}
