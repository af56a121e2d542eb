/** The state of one GPU. Members that its source does not say are undefined. */
export interface GpuReading {
  /** Its index on its node, such as `0`. */
  readonly gpu: string;
  readonly node: string;
  /** Such as `NVIDIA L4`. */
  readonly product: string | undefined;
  /** 0 to 100. */
  readonly utilizationPercent: number | undefined;
  readonly memoryUsedBytes: number | undefined;
  readonly memoryTotalBytes: number | undefined;
  readonly temperatureCelsius: number | undefined;
  readonly powerWatts: number | undefined;
}

export interface GpuPage {
  readonly gpus: readonly GpuReading[];
  /** Lines or values that are not readable or not possible. */
  readonly malformed: number;
}

/** One machine has 16 GPUs at most; an exporter of a whole cluster may have thousands. */
export const MAX_GPUS = 4_096;
/** Longer names are cut: they become label values. */
const MAX_NAME = 100;

/** @returns the text as a label value: without control characters, and not longer than names are */
export function labelText(text: string): string {
  return text
    .replace(/\p{Cc}/gu, '')
    .trim()
    .slice(0, MAX_NAME);
}

/** @returns undefined for a value that is no possible one */
export function within(value: number, least: number, most: number): number | undefined {
  return value >= least && value <= most ? value : undefined;
}

export const MEBIBYTE = 1024 * 1024;
/** Larger values of memory are malformed: a petabyte. */
export const MAX_MEMORY_BYTES = 1e15;
