import { z } from 'zod';
import { baseUrl, boolean, days, duration, nullable, secret, section, size, text } from './fields.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export const LOG_FORMATS = ['auto', 'json', 'text'] as const;

function logLevel(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const level = value.toLowerCase();
  return level === 'warning' ? 'warn' : level;
}

/** The section `log`. */
export const log = () =>
  section({
    level: z
      .preprocess(logLevel, z.enum(LOG_LEVELS))
      .prefault('info')
      .describe('The lowest level that is written, in upper or lower case. `warning` is `warn`.'),
    format: z
      .enum(LOG_FORMATS)
      .prefault('auto')
      .describe(
        '`json` for machines, `text` for people; `auto` is `text` on a terminal and `json` elsewhere.',
      ),
    requests: boolean().prefault(true).describe('Writes one line for each inference request.'),
    files: nullable(files()).describe(
      'Writes the same lines to files, as JSON; null for none. Without further keys, it keeps them for 7 days, and compressed for another 30. `weir logs` searches them.',
    ),
  });

const files = () =>
  z.strictObject({
    folder: nullable(text(4_000)).describe(
      'Where files are written. By default `logs` in the data directory.',
    ),
    max_size: size().prefault('100MB').describe('The size after which another file begins.'),
    rotate: duration(1)
      .prefault('1d')
      .describe('The time after which another file begins; `1d` is at midnight UTC.'),
    hot: days().prefault('7d').describe('How long a file stays as it is, after its last line.'),
    warm: nullable(days())
      .prefault('30d')
      .describe('How long it is kept after that, compressed with zstd; null deletes it instead.'),
    archive: nullable(text(4_000)).describe(
      'Where compressed files are kept, unless `s3` is set. By default `archive` in `folder`.',
    ),
    s3: nullable(bucket()).describe('Keeps compressed files in a bucket of an S3-compatible store instead.'),
  });

const bucket = () =>
  z.strictObject({
    bucket: text(255).describe('The name of the bucket.'),
    prefix: z
      .string()
      .max(500)
      .prefault('weir-logs/')
      .describe('What the names of its objects begin with; may be empty.'),
    endpoint: nullable(baseUrl()).describe(
      'The address of the store, such as `https://minio.internal:9000`. By default that of AWS in `region`.',
    ),
    region: nullable(text(100)).describe('The region, such as `eu-central-1`.'),
    access_key_id: nullable(secret()).describe(
      'The access key. By default `S3_ACCESS_KEY_ID` or `AWS_ACCESS_KEY_ID` of the environment, then that of the profile, the container or the instance.',
    ),
    secret_access_key: nullable(secret()).describe('The secret of `access_key_id`.'),
    session_token: nullable(secret()).describe('The session token of temporary credentials.'),
  });
