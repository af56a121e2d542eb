import { describe, expect, test } from 'bun:test';
import { parseDcgm } from './dcgm.ts';
import { GpuMonitor, type GpuSettings, type ScrapeFailure, type SourceResult } from './gpu-monitor.ts';
import { parseNvidiaSmi } from './nvidia-smi.ts';

const L4 = {
  ...{ gpu: '0', node: 'here', product: 'NVIDIA L4', utilizationPercent: 37, temperatureCelsius: 61 },
  ...{ memoryUsedBytes: 18_432 * 1024 ** 2, memoryTotalBytes: 23_034 * 1024 ** 2, powerWatts: 53.21 },
};

describe('the output of nvidia-smi', () => {
  test('has one GPU per line', () => {
    const output = '0, NVIDIA L4, 37, 18432, 23034, 61, 53.21\r\n1, NVIDIA L4, 0, 0, 23034, 33, 11.90\n';
    const { gpus, malformed } = parseNvidiaSmi(output, 'here');
    expect(gpus).toEqual([
      L4,
      {
        ...{ ...L4, gpu: '1', utilizationPercent: 0, memoryUsedBytes: 0 },
        ...{ temperatureCelsius: 33, powerWatts: 11.9 },
      },
    ]);
    expect(malformed).toBe(0);
  });

  test('may lack values, which is no fault', () => {
    const { gpus, malformed } = parseNvidiaSmi('0, NVIDIA GB10, 5, [N/A], [Not Supported], 40, N/A', 'here');
    expect(gpus).toEqual([
      {
        ...{ gpu: '0', node: 'here', product: 'NVIDIA GB10', utilizationPercent: 5, temperatureCelsius: 40 },
        ...{ memoryUsedBytes: undefined, memoryTotalBytes: undefined, powerWatts: undefined },
      },
    ]);
    expect(malformed).toBe(0);
  });

  test('is tolerated and counted where it is malformed', () => {
    const output = [
      'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.',
      'x, NVIDIA L4, 1, 1, 1, 1, 1',
      '0, NVIDIA L4, 101, -5, 1e300, NaN, many',
      '1, NVIDIA L4, 1, 1, 1, 1, 1, 1',
      `2, ${'y'.repeat(500)}\u0007, 1, 1, 1, 1, 1`,
    ].join('\n');
    const { gpus, malformed } = parseNvidiaSmi(output, 'here');
    expect(malformed).toBe(8);
    expect(gpus.map(({ gpu, product }) => [gpu, product])).toEqual([
      ['0', 'NVIDIA L4'],
      ['2', 'y'.repeat(100)],
    ]);
    expect(gpus[0]).toMatchObject({ utilizationPercent: undefined, temperatureCelsius: undefined });
  });
});

describe('the page of a DCGM exporter', () => {
  const labels = (gpu: number, more = '') =>
    `{gpu="${gpu}",UUID="GPU-604ac76c",pci_bus_id="00000000:00:1E.0",device="nvidia${gpu}",modelName="NVIDIA L4",Hostname="node-1"${more}}`;

  test('has utilisation, memory and temperature of each GPU', () => {
    const page = [
      '# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).',
      '# TYPE DCGM_FI_DEV_GPU_UTIL gauge',
      `DCGM_FI_DEV_GPU_UTIL${labels(0)} 99`,
      `DCGM_FI_DEV_GPU_UTIL${labels(1)} 1`,
      `DCGM_FI_DEV_FB_USED${labels(0)} 100`,
      `DCGM_FI_DEV_FB_FREE${labels(0)} 22000`,
      `DCGM_FI_DEV_FB_RESERVED${labels(0)} 400`,
      `DCGM_FI_DEV_GPU_TEMP${labels(0)} 71`,
      `DCGM_FI_DEV_POWER_USAGE${labels(0)} 70.5`,
      `DCGM_FI_DEV_XID_ERRORS${labels(0)} nonsense`,
    ].join('\n');
    expect(parseDcgm(page, 'host')).toEqual({
      gpus: [
        {
          ...{ gpu: '0', node: 'node-1', product: 'NVIDIA L4', utilizationPercent: 99 },
          ...{ memoryUsedBytes: 100 * 1024 ** 2, memoryTotalBytes: 22_500 * 1024 ** 2 },
          ...{ temperatureCelsius: 71, powerWatts: 70.5 },
        },
        {
          ...{ gpu: '1', node: 'node-1', product: 'NVIDIA L4', utilizationPercent: 1 },
          ...{ memoryUsedBytes: undefined, memoryTotalBytes: undefined },
          ...{ temperatureCelsius: undefined, powerWatts: undefined },
        },
      ],
      malformed: 0,
    });
  });

  test('names partitions, and the host where it names none', () => {
    const page = 'DCGM_FI_DEV_GPU_TEMP{gpu="3",GPU_I_ID="2"} 40\nDCGM_FI_DEV_GPU_TEMP{gpu="3"} 41\n';
    expect(parseDcgm(page, 'host').gpus.map(({ gpu, node }) => [gpu, node])).toEqual([
      ['3/2', 'host'],
      ['3', 'host'],
    ]);
  });

  test('is bounded and tolerated whatever it has', () => {
    const lines = Array.from(
      { length: 10_000 },
      (_, index) => `DCGM_FI_DEV_GPU_TEMP{gpu="${'x'.repeat(200)}${index}",Hostname="h${index}"} 40`,
    );
    const page = [...lines, 'DCGM_FI_DEV_GPU_TEMP 40', 'DCGM_FI_DEV_GPU_TEMP{gpu="0"} 1e9', '<html>'].join(
      '\n',
    );
    const { gpus, malformed } = parseDcgm(page, 'host');
    expect([gpus.length, malformed]).toEqual([4_096, 3]);
    expect(gpus[0]?.gpu).toHaveLength(100);
  });
});

describe('the monitor', () => {
  function create(more: Partial<GpuSettings> = {}) {
    let now = 0;
    const settings: { -readonly [Key in keyof GpuSettings]: GpuSettings[Key] } = {
      ...{ intervalMs: 15_000, nvidiaSmi: 'nvidia-smi', dcgm: [], ...more },
    };
    const errors: [string, ScrapeFailure][] = [];
    let answer: () => Promise<SourceResult> = async () => ({ kind: 'absent' });
    const asked: string[] = [];
    const read = (what: string) => {
      asked.push(what);
      return answer();
    };
    const monitor = new GpuMonitor({
      settings: () => settings,
      sources: { run: (program) => read(program), fetch: (url) => read(url) },
      ...{ now: () => now, node: 'here', onError: (source, reason) => errors.push([source, reason]) },
    });
    return {
      ...{ monitor, errors, asked, settings },
      answers: (next: () => Promise<SourceResult>) => {
        answer = next;
      },
      at: (ms: number) => {
        now = ms;
        monitor.tick();
      },
    };
  }
  const text = (content: string) => async (): Promise<SourceResult> => ({ kind: 'text', text: content });
  const LINE = '0, NVIDIA L4, 37, 18432, 23034, 61, 53.21';

  test('takes a machine without GPUs as it is', async () => {
    const { monitor, errors } = create();
    await monitor.read();
    expect([monitor.readings(), errors]).toEqual([[], []]);
  });

  test('reads at intervals, and never the same source twice at once', async () => {
    const { monitor, asked, answers, at } = create();
    const { promise, resolve } = Promise.withResolvers<SourceResult>();
    answers(() => promise);
    for (let ms = 0; ms <= 60_000; ms += 1_000) at(ms);
    expect(asked).toEqual(['nvidia-smi']);
    resolve({ kind: 'text', text: LINE });
    await promise;
    answers(text(LINE));
    await monitor.read();
    expect(asked).toHaveLength(2);
    expect(monitor.readings()).toEqual([L4]);
  });

  test('forgets a GPU that was not read for three intervals, or whose source is removed', async () => {
    const { monitor, answers, at, settings } = create({
      dcgm: ['http://gpu-node:9400/metrics'],
      nvidiaSmi: null,
    });
    answers(text('DCGM_FI_DEV_GPU_TEMP{gpu="0"} 40'));
    await monitor.read();
    expect(monitor.readings()).toMatchObject([{ gpu: '0', node: 'gpu-node' }]);
    answers(async () => ({ kind: 'failed', reason: 'unreachable' }));
    at(44_000);
    expect(monitor.readings()).toHaveLength(1);
    at(46_000);
    expect(monitor.readings()).toEqual([]);
    answers(text('DCGM_FI_DEV_GPU_TEMP{gpu="0"} 40'));
    await monitor.read();
    settings.dcgm = [];
    await monitor.read();
    expect(monitor.readings()).toEqual([]);
  });

  test('counts what it cannot read, and uses the rest', async () => {
    const { monitor, errors, answers } = create({ dcgm: ['http://gpu-node:9400/metrics'] });
    answers(text(`${LINE}\nnonsense`));
    await monitor.read();
    expect(monitor.readings()).toEqual([L4]);
    answers(async () => ({ kind: 'failed', reason: 'timeout' }));
    await monitor.read();
    expect(errors).toEqual([
      ['nvidia-smi', 'malformed'],
      ['gpu-node:9400', 'malformed'],
      ['nvidia-smi', 'timeout'],
      ['gpu-node:9400', 'timeout'],
    ]);
  });
});
