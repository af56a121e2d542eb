import { resolve } from 'node:path';
import { z } from 'zod';
import { objectLocation } from '../platform/object-storage/object-location.ts';
import { duration, headerNameFault, headers, integer, list, nullable, secret, size, text } from './fields.ts';
import { locationFault } from './location-field.ts';

const EXPORT_TYPES = ['files', 'http', 'otlp', 'kafka_rest', 'langfuse', 'datadog'] as const;

const EXPORT_SOURCES = ['usage', 'request_log'] as const;

/** Bytes of a record beside its prompt and response fit. */
const MIN_RECORD = 4_096;
const ID = /^[a-z][a-z0-9_-]{0,62}$/;
const WEBHOOK_SECRET = /^whsec_[A-Za-z0-9+/=]{32,120}$/;

const exportUrl = () =>
  z
    .string()
    .max(2_000)
    .refine(
      (value) => /^https?:\/\/[^/?#\s@]+\S*$/i.test(value) && URL.canParse(value),
      'expected an http:// or https:// URL without credentials',
    );

/** One export. */
const usageExport = () =>
  z
    .strictObject({
      id: z
        .string()
        .regex(ID, 'must be 1 to 63 lower-case letters, digits, "_" and "-", beginning with a letter')
        .describe('Its name. Its position is stored under it: a new name begins again.'),
      type: z
        .enum(EXPORT_TYPES)
        .describe(
          '`files` writes compressed JSON lines into a folder or an S3-compatible store. The others send by HTTP.',
        ),
      source: z
        .enum(EXPORT_SOURCES)
        .prefault('usage')
        .describe(
          '`usage` is one record for each attempt of a request, without prompts and responses. `request_log` is one for each request of tenants that log them, with prompt and response, redacted as in the log.',
        ),
      tenants: list(text(100)).describe('Ids of the tenants whose records are exported; empty for all.'),
      to: nullable(text(1_000)).describe(
        'For `files`: a folder, or `s3://bucket/prefix`, that no other export has.',
      ),
      endpoint: nullable(exportUrl()).describe(
        'For `files`: the URL of an S3-compatible store that is not AWS.',
      ),
      region: nullable(text(100)).describe('For `files`: the region of the bucket.'),
      access_key_id: nullable(secret()).describe(
        'For `files`: without it, credentials come from the environment.',
      ),
      secret_access_key: nullable(secret()).describe('For `files`: the secret of `access_key_id`.'),
      url: nullable(exportUrl()).describe(
        'For `http` the whole URL. For the others the address of the API, without its path, such as `https://http-intake.logs.datadoghq.com`.',
      ),
      format: z
        .enum(['ndjson', 'json'])
        .prefault('ndjson')
        .describe('For `http`: one record on each line, or a JSON array.'),
      headers: headers().describe('For `http`, `otlp` and `kafka_rest`: headers of each request.'),
      secret: nullable(secret()).describe(
        'For `http` the secret that signs, such as `whsec_...`; for `datadog` the API key; for `langfuse` the secret key.',
      ),
      public_key: nullable(text(200)).describe('For `langfuse`: the public key.'),
      topic: nullable(text(249)).describe('For `kafka_rest`: the topic.'),
      every: duration(1)
        .prefault('30s')
        .describe(
          'How often records are sent. With `files`, each visit writes a file for each tenant with new ones.',
        ),
      max_records: integer(1, 1_000).prefault(500).describe('The most records of one request or file.'),
      max_bytes: size()
        .prefault('1MB')
        .describe('The most bytes of the records of one request or file, as JSON.'),
      max_record_bytes: size()
        .prefault('256KB')
        .describe(
          'With `source: request_log`: the most bytes of one record, as JSON. The longest texts of larger ones are cut and marked.',
        ),
    })
    .superRefine((given, context) => {
      const issue = (path: string, message: string) =>
        context.addIssue({ code: 'custom', path: [path], message });
      if (given.max_record_bytes < MIN_RECORD) issue('max_record_bytes', `must be at least ${MIN_RECORD}B`);
      const required = (name: 'to' | 'url' | 'secret' | 'public_key' | 'topic') => {
        if (given[name] === null) issue(name, `is required for ${given.type}`);
      };
      required(given.type === 'files' ? 'to' : 'url');
      const fault = given.type === 'files' && given.to !== null ? locationFault(given.to) : null;
      if (fault !== null) issue('to', fault);
      if (given.type === 'kafka_rest') required('topic');
      if (given.type === 'datadog' || given.type === 'langfuse') required('secret');
      if (given.type === 'langfuse') required('public_key');
      if (given.type === 'http' && given.secret !== null && !WEBHOOK_SECRET.test(given.secret)) {
        issue('secret', 'must be a webhook secret, such as whsec_ and 44 characters of base64');
      }
      if ((given.access_key_id === null) !== (given.secret_access_key === null)) {
        issue('secret_access_key', 'is required with access_key_id, and the other way round');
      }
      for (const name of Object.keys(given.headers)) {
        const fault = name === 'authorization' ? null : headerNameFault(name);
        if (fault !== null) context.addIssue({ code: 'custom', path: ['headers', name], message: fault });
      }
    });

/** @returns where files are written, equal for all spellings; null where none are */
function placeOf({ type, to, endpoint }: z.infer<ReturnType<typeof usageExport>>): string | null {
  if (type !== 'files' || to === null || locationFault(to) !== null) return null;
  const place = objectLocation(to);
  if (place.kind === 'folder') return resolve(place.path);
  return `${endpoint?.replace(/\/+$/, '') ?? ''} ${place.bucket}/${place.prefix}`;
}

/** Exports of usage and of logged requests. */
export const usageExports = () =>
  list(z.lazy(usageExport)).superRefine((all, context) => {
    all.forEach(({ id }, index) => {
      if (all.findIndex((other) => other.id === id) === index) return;
      context.addIssue({ code: 'custom', path: [index, 'id'], message: `is used twice: ${id}` });
    });
    const places = all.map(placeOf);
    places.forEach((place, index) => {
      const first = places.indexOf(place);
      if (place === null || first === index) return;
      const message = `is where ${all[first]?.id} writes: their files would replace each other`;
      context.addIssue({ code: 'custom', path: [index, 'to'], message });
    });
  });
