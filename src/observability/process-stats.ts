import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessStats {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly startedAtSeconds: number;
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
    // Only Linux tells.
    return undefined;
  }
}

/** How many files and sockets this process may open, or `undefined` where the system does not tell. */
export function openFilesLimit(): number | undefined {
  try {
    const match = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    if (!match?.[1]) return undefined;
    return match[1] === 'unlimited' ? Number.POSITIVE_INFINITY : Number(match[1]);
  } catch {
    // Only Linux tells.
    return undefined;
  }
}
