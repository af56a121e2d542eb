import { z } from 'zod';
import { baseUrl, boolean, duration, headers, integer, list, nullable, section, text } from './fields.ts';
import { OTLP_PROTOCOLS } from './tracing-schema.ts';

/** The section `metrics`. */
export const metrics = () =>
  section({
    max_series: integer(1, 100_000)
      .prefault(100)
      .describe(
        'Label sets that each metric keeps. Further tenants, models, providers, engines and variants are counted together, with the label value `other`. Scrapes grow with this number: 1,000 sets take about 1 MB.',
      ),
    otlp: section({
      enabled: nullable(boolean()).describe(
        'Sends metrics to an OpenTelemetry collector. By default only with an `endpoint` of its own.',
      ),
      endpoint: nullable(baseUrl()).describe(
        'The collector, such as `http://collector:4318`; `/v1/metrics` is appended unless it is there. null for that of `tracing`.',
      ),
      protocol: nullable(z.enum(OTLP_PROTOCOLS)).describe('The encoding; null for that of `tracing`.'),
      headers: nullable(headers()).describe('HTTP headers for the collector; null for those of `tracing`.'),
      interval: duration(1).prefault('60s').describe('How often metrics are sent.'),
      include: z
        .enum(['gen_ai', 'all'])
        .prefault('gen_ai')
        .describe(
          '`gen_ai` sends the histograms of OpenTelemetry’s GenAI conventions; `all` sends every metric, under its Prometheus name where the conventions have none.',
        ),
    }).describe('Export of metrics over OTLP. Prometheus needs no export: it scrapes `server.metrics_port`.'),
    gpus: section({
      interval: duration(1).prefault('15s').describe('How often GPUs and engines are read.'),
      nvidia_smi: nullable(text(500))
        .prefault('nvidia-smi')
        .describe(
          'The program that reads the GPUs of this machine: a path, or a name that is searched in `PATH`. A machine without it has no such metrics; null never runs it.',
        ),
      dcgm: list(baseUrl()).describe(
        'DCGM exporters of other machines, such as `http://gpu-node:9400/metrics`.',
      ),
      engines: boolean()
        .prefault(true)
        .describe('Reads the metrics of self-hosted engines: vLLM, SGLang, TGI and llama.cpp.'),
    }).describe('Metrics of GPUs and engines.'),
  });
