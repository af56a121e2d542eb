import { parsePrometheusText } from '../../core/prometheus-text.ts';
import {
  type GpuPage,
  type GpuReading,
  labelText,
  MAX_GPUS,
  MAX_MEMORY_BYTES,
  MEBIBYTE,
  within,
} from './gpu-reading.ts';

/** Fields of DCGM with their unit and range. */
const FIELDS = {
  DCGM_FI_DEV_GPU_UTIL: [1, 0, 100],
  DCGM_FI_DEV_FB_USED: [MEBIBYTE, 0, MAX_MEMORY_BYTES],
  DCGM_FI_DEV_FB_FREE: [MEBIBYTE, 0, MAX_MEMORY_BYTES],
  DCGM_FI_DEV_FB_RESERVED: [MEBIBYTE, 0, MAX_MEMORY_BYTES],
  DCGM_FI_DEV_FB_TOTAL: [MEBIBYTE, 0, MAX_MEMORY_BYTES],
  DCGM_FI_DEV_GPU_TEMP: [1, -50, 200],
  DCGM_FI_DEV_POWER_USAGE: [1, 0, 10_000],
} as const satisfies Record<string, readonly [factor: number, least: number, most: number]>;

type Field = keyof typeof FIELDS;

interface Gpu {
  readonly gpu: string;
  readonly node: string;
  readonly product: string | undefined;
  readonly values: Map<Field, number>;
}

/**
 * Reads the page of a DCGM exporter.
 *
 * @param host names the node where the page does not
 * @see https://docs.nvidia.com/datacenter/dcgm/latest/gpu-telemetry/dcgm-exporter.html
 */
export function parseDcgm(page: string, host: string): GpuPage {
  const { samples, malformed } = parsePrometheusText(page, isField);
  const gpus = new Map<string, Gpu>();
  let impossible = 0;
  for (const { name, labels, value } of samples) {
    if (!isField(name)) continue;
    const [factor, least, most] = FIELDS[name];
    const amount = within(value * factor, least, most);
    const index = labels.get('gpu') ?? labels.get('UUID');
    if (amount === undefined || index === undefined) {
      impossible += 1;
      continue;
    }
    // Partitions (MIG) of a GPU have values of their own.
    const partition = labels.get('GPU_I_ID');
    const gpu = labelText(partition ? `${index}/${partition}` : index);
    const node = labelText(labels.get('Hostname') ?? labels.get('hostname') ?? host);
    const key = JSON.stringify([node, gpu]);
    let known = gpus.get(key);
    if (!known) {
      if (gpus.size >= MAX_GPUS) continue;
      const product = labels.get('modelName');
      known = { gpu, node, product: product && labelText(product), values: new Map() };
      gpus.set(key, known);
    }
    known.values.set(name, amount);
  }
  return { gpus: Array.from(gpus.values(), readingOf), malformed: malformed + impossible };
}

function isField(name: string): name is Field {
  return Object.hasOwn(FIELDS, name);
}

function readingOf({ gpu, node, product, values }: Gpu): GpuReading {
  const used = values.get('DCGM_FI_DEV_FB_USED');
  const free = values.get('DCGM_FI_DEV_FB_FREE');
  const reserved = values.get('DCGM_FI_DEV_FB_RESERVED') ?? 0;
  const sum = used === undefined || free === undefined ? undefined : used + free + reserved;
  return {
    ...{ gpu, node, product },
    utilizationPercent: values.get('DCGM_FI_DEV_GPU_UTIL'),
    memoryUsedBytes: used,
    memoryTotalBytes: values.get('DCGM_FI_DEV_FB_TOTAL') ?? sum,
    temperatureCelsius: values.get('DCGM_FI_DEV_GPU_TEMP'),
    powerWatts: values.get('DCGM_FI_DEV_POWER_USAGE'),
  };
}
