import { readFileSync } from 'node:fs';

/** @returns how many cores the container of this process may use, rounded up; undefined where it is not limited */
export function cpuQuota(file = '/sys/fs/cgroup/cpu.max'): number | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    // Another system, or an older hierarchy of control groups.
    return undefined;
  }
  const [quota, period] = text.trim().split(' ').map(Number);
  if (quota === undefined || period === undefined || !(quota > 0) || !(period > 0)) return undefined;
  return Math.ceil(quota / period);
}
