import { type AwsCredentials, defaultAwsCredentials } from '../aws-signature.ts';
import { FolderStorage } from './folder-storage.ts';
import { objectLocation } from './object-location.ts';
import { type ObjectStorage, ObjectStorageError } from './object-storage.ts';
import { S3Storage } from './s3-storage.ts';

export interface ObjectStorageSettings {
  /** Of a store that is not AWS. Default: `AWS_ENDPOINT_URL_S3`, then `AWS_ENDPOINT_URL`. */
  readonly endpoint?: string | undefined;
  /** Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, then `us-east-1`, which most stores of one region accept. */
  readonly region?: string | undefined;
  /** Default: the environment, then profile, container or instance. */
  readonly credentials?: AwsCredentials | undefined;
}

/**
 * Opens `s3://bucket/prefix`, or a folder: a path or a `file://` URL. Sends and writes nothing yet.
 * @throws ObjectStorageError for a location that is neither
 */
export function openObjectStorage(
  location: string,
  env: Readonly<Record<string, string | undefined>>,
  { endpoint, region, credentials }: ObjectStorageSettings = {},
): ObjectStorage {
  const place = objectLocation(location);
  if (place.kind === 'folder') return new FolderStorage(place.path);
  return openBucket({ bucket: place.bucket, prefix: place.prefix, endpoint, region, credentials }, env);
}

/** A bucket of an S3-compatible store, and what the keys of its objects begin with; the prefix may be empty. */
export interface BucketSettings extends ObjectStorageSettings {
  readonly bucket: string;
  readonly prefix: string;
}

/** Sends nothing yet. @throws ObjectStorageError for an endpoint that is no URL */
export function openBucket(
  { bucket, prefix, endpoint, region, credentials }: BucketSettings,
  env: Readonly<Record<string, string | undefined>>,
): ObjectStorage {
  const url = endpoint ?? (env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL || undefined);
  if (url !== undefined && !/^https?:\/\/[^/]/.test(url)) {
    throw new ObjectStorageError(`The endpoint "${url}" is no URL that begins with http:// or https://.`);
  }
  return new S3Storage({
    ...{ bucket, prefix, endpoint: url },
    region: region ?? (env.AWS_REGION || env.AWS_DEFAULT_REGION || 'us-east-1'),
    credentials: credentialsOf(env, credentials),
  });
}

function credentialsOf(
  {
    AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY,
    AWS_SESSION_TOKEN,
  }: Readonly<Record<string, string | undefined>>,
  given: AwsCredentials | undefined,
) {
  const fixed =
    given ??
    (AWS_ACCESS_KEY_ID && AWS_SECRET_ACCESS_KEY
      ? {
          accessKeyId: AWS_ACCESS_KEY_ID,
          secretAccessKey: AWS_SECRET_ACCESS_KEY,
          ...(AWS_SESSION_TOKEN && { sessionToken: AWS_SESSION_TOKEN }),
        }
      : undefined);
  // The chain of other sources takes 100 ms to load.
  return fixed ? () => Promise.resolve(fixed) : defaultAwsCredentials();
}
