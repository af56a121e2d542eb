import {
  type GpuPage,
  type GpuReading,
  labelText,
  MAX_GPUS,
  MAX_MEMORY_BYTES,
  MEBIBYTE,
  within,
} from './gpu-reading.ts';

/** Arguments that make `nvidia-smi` print one line for each GPU. */
export const NVIDIA_SMI_ARGUMENTS = [
  '--query-gpu=index,name,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw',
  '--format=csv,noheader,nounits',
] as const;

const COLUMNS = 7;
/** What it prints for values that a GPU does not have. */
const ABSENT = /^\[?(?:n\/a|not supported|unknown error|insufficient permissions)\]?$/i;

/**
 * Reads the output of `nvidia-smi` with `NVIDIA_SMI_ARGUMENTS`.
 *
 * @param node name of this machine
 * @see https://docs.nvidia.com/deploy/nvidia-smi/
 */
export function parseNvidiaSmi(output: string, node: string): GpuPage {
  const gpus: GpuReading[] = [];
  let malformed = 0;
  const number = (text: string | undefined, least: number, most: number, factor = 1): number | undefined => {
    if (text === undefined || ABSENT.test(text)) return undefined;
    const value = text === '' ? undefined : within(Number(text) * factor, least, most);
    if (value === undefined) malformed += 1;
    return value;
  };
  for (const line of output.split('\n').slice(0, MAX_GPUS)) {
    if (line.trim() === '') continue;
    const [index = '', product = '', ...values] = line.split(',').map((part) => part.trim());
    if (!/^\d{1,4}$/.test(index) || values.length !== COLUMNS - 2) {
      malformed += 1;
      continue;
    }
    const [utilization, used, total, temperature, power] = values;
    gpus.push({
      ...{ gpu: index, node, product: labelText(product) },
      utilizationPercent: number(utilization, 0, 100),
      memoryUsedBytes: number(used, 0, MAX_MEMORY_BYTES, MEBIBYTE),
      memoryTotalBytes: number(total, 0, MAX_MEMORY_BYTES, MEBIBYTE),
      temperatureCelsius: number(temperature, -50, 200),
      powerWatts: number(power, 0, 10_000),
    });
  }
  return { gpus, malformed };
}
