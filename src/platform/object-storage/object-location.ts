import { fileURLToPath } from 'node:url';
import { assertObjectKey, ObjectStorageError } from './object-storage.ts';

/** Where objects are. */
export type ObjectLocation =
  | { readonly kind: 'folder'; readonly path: string }
  /** The prefix is empty or ends with a slash. */
  | { readonly kind: 'bucket'; readonly bucket: string; readonly prefix: string };

const S3_URL = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/;

/**
 * Reads `s3://bucket/prefix`, or a folder: a path or a `file://` URL.
 * @throws ObjectStorageError for a location that is neither
 */
export function objectLocation(location: string): ObjectLocation {
  if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(location)) return { kind: 'folder', path: location };
  if (location.startsWith('file://')) return { kind: 'folder', path: folderOf(location) };
  const [, bucket, path = ''] = S3_URL.exec(location) ?? [];
  if (bucket === undefined) throw notOne(location);
  return { kind: 'bucket', bucket, prefix: prefixOf(path) };
}

function folderOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw notOne(url, cause);
  }
}

function notOne(location: string, cause?: unknown): ObjectStorageError {
  return new ObjectStorageError(
    `"${location}" is no location for objects. Use a folder, or \`s3://bucket/prefix\`.`,
    { cause },
  );
}

/** @returns with a slash at its end, or empty */
function prefixOf(path: string): string {
  const trimmed = path.replace(/\/+$/, '');
  if (trimmed === '') return '';
  try {
    assertObjectKey(trimmed);
  } catch (cause) {
    throw new ObjectStorageError(
      `The prefix "${trimmed}" has characters that not every store accepts: use letters, digits, "." "_" "-" and "/".`,
      { cause },
    );
  }
  return `${trimmed}/`;
}
