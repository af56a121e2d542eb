import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import type { Logger } from '../observability/log.ts';
import {
  type ArchiveStore,
  archiveLogFiles,
  deleteOldArchives,
  FolderArchive,
  type LogRetention,
} from '../observability/log-archive.ts';
import { LogFiles } from '../observability/log-files.ts';
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
export async function logArchive(config: Config, settings: LogFileSettings): Promise<ArchiveStore> {
  const { s3, archive } = settings;
  if (s3 === null) return new FolderArchive(archive ?? join(logFolder(config, settings), 'archive'));
  const { S3Archive } = await import('../platform/s3-archive.ts');
  return new S3Archive({
    bucket: s3.bucket,
    prefix: s3.prefix,
    endpoint: s3.endpoint ?? undefined,
    region: s3.region ?? undefined,
    accessKeyId: s3.access_key_id ?? undefined,
    secretAccessKey: s3.secret_access_key ?? undefined,
    sessionToken: s3.session_token ?? undefined,
  });
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
    const { files, config, settings, now } = this;
    await files.rotateIfDue();
    this.#retention ??= {
      folder: logFolder(config, settings),
      archive: await logArchive(config, settings),
      hotMs: settings.hot,
      warmMs: settings.warm,
    };
    await archiveLogFiles(this.#retention, now(), files.currentName);
    if (Math.abs(now() - this.#deletedAt) < DELETE_EVERY_MS) return;
    await deleteOldArchives(this.#retention, now());
    this.#deletedAt = now();
  }
}
