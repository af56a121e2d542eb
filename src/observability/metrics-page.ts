import type { MetricDescription } from './metric-families.ts';
import { Metrics } from './metrics.ts';

const INTRODUCTION = `# Metrics

Scrape each gateway with Prometheus, or send its metrics to an OpenTelemetry collector. This page is generated from the code and lists every metric.

## Scrape

\`\`\`sh
curl http://localhost:9090/metrics
\`\`\`

Port 9090 needs no key. \`/metrics\` of the API's port needs the admin key. [Operations](operations.md#metrics) describes the port and what to watch.

<!-- example: not weir.yaml, part of prometheus.yml -->
\`\`\`yaml
scrape_configs:
  - job_name: weir
    static_configs:
      - targets: [weir:9090]
\`\`\`

The header \`Accept\` selects the format:

| format | selected by | exemplars |
| --- | --- | --- |
| Prometheus text 0.0.4 | default | no |
| OpenMetrics 1.0 | \`Accept: application/openmetrics-text\`, which Prometheus sends | yes |

\`\`\`sh
curl -H 'accept: application/openmetrics-text' http://localhost:9090/metrics
\`\`\`

## Send metrics to an OpenTelemetry collector

\`\`\`sh
export OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318
export OTEL_METRICS_EXPORTER=otlp
\`\`\`

Or in \`weir.yaml\`, which is applied without a restart:

\`\`\`yaml
metrics:
  otlp: { endpoint: http://localhost:4318, interval: 60s }
\`\`\`

Weir sends the histograms of OpenTelemetry's GenAI conventions, cumulative, in protobuf (\`protocol: http/json\` selects JSON). \`include: all\` sends every metric of this page, under its Prometheus name where the conventions have none. Exemplars are not sent.

At most one export runs at a time, requests never wait for it, and nothing is queued: the next export contains what a failed one had. \`weir_metric_points_lost_total\` counts values that the collector did not get, and the log has a line a minute.

## GPUs and engines

Where \`nvidia-smi\` is in \`PATH\`, Weir runs it every 15 seconds and shows the GPUs of this machine. Other machines need a DCGM exporter. Self-hosted engines with metrics (vLLM, SGLang, TGI, llama.cpp with \`--metrics\`) are read as often.

\`\`\`yaml
metrics:
  gpus:
    interval: 15s
    dcgm: [http://gpu-node-1:9400/metrics, http://gpu-node-2:9400/metrics]
\`\`\`

Absent hardware is no error. A GPU that could not be read for three intervals has no series. \`weir_scrape_errors_total\` counts what was unreachable, slow or malformed; readable lines of a malformed page still count.

## See what was lost

\`GET /health\` with the admin key has the losses since the start: spans, log lines, usage events, audit entries, values of metrics, stored responses.

\`\`\`sh
curl -H "authorization: Bearer $WEIR_ADMIN_KEY" http://localhost:8080/health
\`\`\`

## Exemplars

Buckets of the histograms of inference requests and attempts refer to a trace: \`# {trace_id="..."}\` with value and time of the last request in that bucket whose trace was exported. They need [traces](tracing.md) and, in Prometheus, \`--enable-feature=exemplar-storage\`. A request that is traced because of how it ended (an error, a slow or expensive one) is an exemplar of the metrics of requests; the metrics of its attempts refer to sampled requests only.

## Label values

Each metric keeps 100 label sets (\`metrics.max_series\`). Further tenants, models, providers, engines, GPUs and guardrails are counted together with the label value \`other\`; of a gauge, \`other\` shows the worst value since the last scrape. Labels whose values Weir defines, such as \`status\`, keep their values. Names that clients invent are no label values: an unknown model counts as \`unknown\`, and a model that a client names at a provider which does not list it counts as \`provider/other\`.

Money is in US dollars, time in seconds, sizes in bytes. A ratio is between 0 and 1.
`;

/** @returns the text of docs/metrics.md */
export function metricsPage(): string {
  const described = describeMetrics();
  const sections = [...new Set(described.map(({ section }) => section))];
  const parts = sections.map((section) => {
    const rows = described.filter((metric) => metric.section === section).map(row);
    return `\n## ${section}\n\n${[...HEADER, ...rows].join('\n')}\n`;
  });
  return `${INTRODUCTION}${parts.join('')}${bucketSection(described)}`;
}

/** @returns every metric of a gateway */
export function describeMetrics(): MetricDescription[] {
  const stats = { cpuSeconds: 0, residentBytes: 0, startedAtSeconds: 0, openFiles: undefined };
  const metrics = new Metrics(
    () => stats,
    () => 0,
    { takeMaxDelay: () => 0, takeMaxBusy: () => 0 },
  );
  return metrics.describe();
}

const HEADER = ['| Metric | Type | Labels | Meaning |', '| --- | --- | --- | --- |'];

function row({ name, type, labels, help, otel }: MetricDescription): string {
  const list = labels.map((label) => `\`${label}\``).join(', ');
  const meaning = otel ? `${help} \`${otel.name}\` over OTLP.` : help;
  return `| \`${name}\` | ${type} | ${list} | ${meaning} |`;
}

/** Histograms by their buckets: most share them. */
function bucketSection(described: readonly MetricDescription[]): string {
  const byBounds = new Map<string, string[]>();
  for (const { name, bounds } of described) {
    if (!bounds) continue;
    const key = bounds.join(' ');
    byBounds.set(key, [...(byBounds.get(key) ?? []), `\`${name}\``]);
  }
  const rows = [...byBounds].map(([bounds, names]) => `| ${bounds} | ${names.join(', ')} |`);
  return `\n## Buckets\n\n${['| Upper bounds | Histograms |', '| --- | --- |', ...rows].join('\n')}\n`;
}
