import type { Config } from '../config/schema.ts';
import type { PostOptions, PostResult } from '../platform/guarded-post.ts';
import { openObjectStorage } from '../platform/object-storage/open-object-storage.ts';
import { FilesSink } from './files-sink.ts';
import { datadogFormat } from './formats/datadog.ts';
import { kafkaRestFormat } from './formats/kafka-rest.ts';
import { langfuseFormat } from './formats/langfuse.ts';
import { linesFormat } from './formats/lines.ts';
import { otlpFormat } from './formats/otlp.ts';
import { type ExportFormat, HttpSink } from './http-sink.ts';
import type { ExportSink } from './sink.ts';

export type ExportSettings = Config['exports'][number];

export interface SinkServices {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly post: (url: string, options: PostOptions, signal: AbortSignal) => Promise<PostResult>;
  readonly allowPrivate: boolean;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** The value of `gen_ai.provider.name` for the id of a provider. */
  readonly providerName: (id: string) => string;
}

/** Builds the sink of an export. @throws ObjectStorageError for a location that is none */
export function createSink(settings: ExportSettings, services: SinkServices): ExportSink {
  const { type, to, endpoint, region, access_key_id, secret_access_key } = settings;
  if (type !== 'files') return new HttpSink({ ...services, format: formatOf(settings, services) });
  const storage = openObjectStorage(to ?? '', services.env, {
    ...{ endpoint: endpoint ?? undefined, region: region ?? undefined },
    ...(access_key_id !== null &&
      secret_access_key !== null && {
        credentials: { accessKeyId: access_key_id, secretAccessKey: secret_access_key },
      }),
  });
  return new FilesSink(storage, settings.source);
}

function formatOf(
  settings: ExportSettings,
  { now, providerName }: Pick<SinkServices, 'now' | 'providerName'>,
): ExportFormat {
  const { id, type, format, headers, secret, public_key, topic } = settings;
  const given = settings.url ?? '';
  const base = given.replace(/\/+$/, '');
  switch (type) {
    case 'otlp':
      return otlpFormat({ url: base, headers, now, providerName });
    case 'kafka_rest':
      return kafkaRestFormat(base, topic ?? '', headers);
    case 'langfuse':
      return langfuseFormat(base, public_key ?? '', secret ?? '');
    case 'datadog':
      return datadogFormat(base, secret ?? '');
    default:
      return linesFormat({ ...{ export: id, url: given, headers, secret, now }, body: format });
  }
}
