import { readdirSync, readFileSync } from 'node:fs';
import { totalmem } from 'node:os';

export interface ProcessStats {
  /** User and system time since the start. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** Unix time. */
  readonly startedAtSeconds: number;
  /** Open files and sockets; undefined where the system does not say. */
  readonly openFiles: number | undefined;
}

/** Limits of the process; undefined where the system does not say. */
export interface ProcessLimits {
  readonly openFiles: number | undefined;
  readonly memoryBytes: number | undefined;
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

/** @returns the limits of this process that metrics show; an unlimited number of files is undefined */
export function readProcessLimits(): ProcessLimits {
  const files = openFilesLimit();
  const container = process.constrainedMemory?.() ?? 0;
  return {
    openFiles: Number.isFinite(files) ? files : undefined,
    memoryBytes: container > 0 ? Math.min(container, totalmem()) : totalmem(),
  };
}
