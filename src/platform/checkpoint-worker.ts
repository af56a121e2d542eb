import { Database } from 'bun:sqlite';
import { parentPort } from 'node:worker_threads';

/** The thread of `Checkpoints`: moves the log of each database that it is told of into its file. */

parentPort?.on('message', (path: string) => {
  try {
    const database = new Database(path, { readwrite: true, create: false });
    try {
      // Waits for nobody, and nobody waits for it; what is still read by others stays for the next time.
      database.exec('PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(PASSIVE);');
    } finally {
      database.close();
    }
  } catch {
    // It is gone, or in other hands. Where it is neither, whoever writes to it finds the same, and says so.
  }
});
