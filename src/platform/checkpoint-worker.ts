import { Database } from 'bun:sqlite';
import { parentPort } from 'node:worker_threads';

/** The thread of `Checkpoints`: moves the write-ahead log of each database it receives into the database's file. */

parentPort?.on('message', (path: string) => {
  try {
    const database = new Database(path, { readwrite: true, create: false });
    try {
      // Waits for no lock and blocks no writer; pages that are still being read remain for the next checkpoint.
      database.exec('PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(PASSIVE);');
    } finally {
      database.close();
    }
  } catch {
    // The file was removed or is locked. Any other fault also fails the next write, which reports it.
  }
});
