import { days, duration, integer, nullable, section, size } from './fields.ts';
import { storageLocation } from './location-field.ts';

const GIGABYTE = 1_000_000_000;

/** Files of tenants. */
export const files = () =>
  section({
    location: nullable(storageLocation(4_000)).describe(
      'Where contents are stored: a folder, or `s3://bucket/prefix` with the credentials of AWS’s usual variables. By default `files` in the data directory. Several gateways need the same place: a shared folder or a bucket.',
    ),
    max_size: size().prefault('200MB').describe('The largest file.'),
    max_count: integer(1, 1_000_000).prefault(10_000).describe('Files that a tenant may have.'),
    max_total: integer(1, 1_000_000)
      .prefault(20)
      .transform((gigabytes) => gigabytes * GIGABYTE)
      .describe('Gigabytes that the files of a tenant may have in total.'),
    expire_after: nullable(days())
      .prefault('30d')
      .describe(
        'When a file expires that was uploaded without `expires_after`, and results of batches; null keeps them until they are deleted.',
      ),
  });

/** Batches of requests. */
export const batches = () =>
  section({
    concurrency: integer(1, 10_000)
      .prefault(16)
      .describe('Lines of batches that each gateway runs at the same time, of all tenants.'),
    max_lines: integer(1, 1_000_000).prefault(100_000).describe('Lines that a batch may have.'),
    max_active: integer(1, 100_000)
      .prefault(100)
      .describe('Batches of a tenant that have not ended at the same time.'),
  });

/** Requests with `Prefer: respond-async`. */
export const asyncRequests = () =>
  section({
    concurrency: integer(1, 10_000)
      .prefault(32)
      .describe('Queued requests that each gateway runs at the same time, of all tenants.'),
    max_active: integer(1, 1_000_000)
      .prefault(1_000)
      .describe('Queued requests of a tenant that have not ended at the same time.'),
    max_stored: integer(1, 1_000_000)
      .prefault(10_000)
      .describe('Queued requests of a tenant in total, with those whose responses are kept.'),
    max_size: size().prefault('4MB').describe('The largest body of a queued request.'),
    run_within: duration(1)
      .prefault('24h')
      .describe('How long a request may wait for its run; it fails with `request_timeout` then.'),
    keep: duration(1).prefault('24h').describe('How long a response is kept.'),
  });
