import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import type { Logger } from '../observability/log.ts';
import { archiveLogFiles, deleteOldArchives, type LogRetention } from '../observability/log-archive.ts';
import { LogFiles } from '../observability/log-files.ts';
import type { ObjectStorage } from '../platform/object-storage/object-storage.ts';
import { randomIds } from '../platform/random-ids.ts';
import { dataFolder } from './database-servers.ts';

export type LogFileSettings = NonNullable<Config['log']['files']>;

/** The folder of log files. */
export function logFolder(config: Config, { folder }: Pick<LogFileSettings, 'folder'>): string {
  return folder ?? join(dataFolder(config), 'logs');
}

/** Opens the log files, without touching the disk: that is for their first line. @param logger reports their failures */
export function openLogFiles(
  config: Config,
  settings: LogFileSettings,
  wallTime: () => number,
  logger: () => Logger,
): LogFiles {
  const folder = logFolder(config, settings);
  return new LogFiles({
    ...{ folder, wallTime, maxBytes: settings.max_size, rotateMs: settings.rotate },
    instance: randomIds('')().slice(0, 8),
    onFailure: (error) =>
      logger().error(
        { folder, err: error },
        'log files cannot be written; lines wait in memory up to 8 MiB, and further ones are lost',
      ),
    onRestored: (lost) => logger().info({ folder, lost }, 'log files can be written again'),
  });
}

/** Where compressed log files are kept. Loads the client of S3 only where it is used. */
export async function logArchive(
  config: Config,
  settings: LogFileSettings,
  env: Readonly<Record<string, string | undefined>>,
): Promise<ObjectStorage> {
  const { s3, archive } = settings;
  if (s3 === null) {
    const { FolderStorage } = await import('../platform/object-storage/folder-storage.ts');
    return new FolderStorage(archive ?? join(logFolder(config, settings), 'archive'));
  }
  const { openBucket } = await import('../platform/object-storage/open-object-storage.ts');
  return openBucket(
    {
      ...{ bucket: s3.bucket, prefix: s3.prefix, region: s3.region ?? (env.S3_REGION || undefined) },
      endpoint: s3.endpoint ?? (env.S3_ENDPOINT || env.AWS_ENDPOINT || undefined),
      credentials: bucketCredentials(s3, env),
    },
    env,
  );
}

/** @returns undefined where neither the configuration nor `S3_...` variables have both parts of a key */
function bucketCredentials(
  { access_key_id, secret_access_key, session_token }: NonNullable<LogFileSettings['s3']>,
  env: Readonly<Record<string, string | undefined>>,
) {
  const accessKeyId = access_key_id ?? (env.S3_ACCESS_KEY_ID || env.AWS_ACCESS_KEY_ID);
  const secretAccessKey = secret_access_key ?? (env.S3_SECRET_ACCESS_KEY || env.AWS_SECRET_ACCESS_KEY);
  if (!accessKeyId || !secretAccessKey) return undefined;
  // A token of the environment belongs to the key of the environment.
  const sessionToken =
    session_token ?? (access_key_id === null ? env.S3_SESSION_TOKEN || env.AWS_SESSION_TOKEN : undefined);
  return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
}

/** Shortest time between two looks for archived files to delete: stores charge for lists. */
const DELETE_EVERY_MS = 3_600_000;

/** Rotates, compresses and deletes log files. */
export class LogKeeper {
  #retention: LogRetention | undefined;
  #running: Promise<void> | undefined;
  #deletedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly files: LogFiles,
    private readonly config: Config,
    private readonly settings: LogFileSettings,
    /** Unix milliseconds. */
    private readonly now: () => number,
    private readonly env: Readonly<Record<string, string | undefined>>,
  ) {}

  /** Why log files cannot be written now; undefined while they can. */
  get failure(): string | undefined {
    return this.files.failure;
  }

  /**
   * To be called every few seconds; calls meanwhile share a run.
   * @throws the disk's or the store's error; the files stay where they are
   */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(): Promise<void> {
    const { files, config, settings, now, env } = this;
    await files.rotateIfDue();
    this.#retention ??= {
      folder: logFolder(config, settings),
      archive: await logArchive(config, settings, env),
      hotMs: settings.hot,
      warmMs: settings.warm,
    };
    await archiveLogFiles(this.#retention, now(), files.currentName);
    if (Math.abs(now() - this.#deletedAt) < DELETE_EVERY_MS) return;
    await deleteOldArchives(this.#retention, now());
    this.#deletedAt = now();
  }
}
