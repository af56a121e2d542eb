import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessStats {
  /** User and system time since the start. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** Unix time. */
  readonly startedAtSeconds: number;
  /** Open files and sockets; undefined where the system does not say. */
  readonly openFiles: number | undefined;
}

/** @param startedAtSeconds Unix time */
export function readProcessStats(startedAtSeconds: number): ProcessStats {
  const { user, system } = process.cpuUsage();
  return {
    cpuSeconds: (user + system) / 1_000_000,
    residentBytes: process.memoryUsage.rss(),
    startedAtSeconds,
    openFiles: countOpenFiles(),
  };
}

function countOpenFiles(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    // Only Linux has this file system.
    return undefined;
  }
}

/** @returns the number of files and sockets that this process may open; undefined where the system does not say */
export function openFilesLimit(): number | undefined {
  try {
    const match = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    if (!match?.[1]) return undefined;
    return match[1] === 'unlimited' ? Number.POSITIVE_INFINITY : Number(match[1]);
  } catch {
    // Only Linux has this file system.
    return undefined;
  }
}
