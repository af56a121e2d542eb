/**
 * The modules of prom-client that Weir imports. Its main module also loads the push gateway, cluster and summary
 * modules, which Weir does not use and which add 20 ms to the start.
 *
 * `hashMap` with its samples, `hashObject` and `getMetricsAsString` are internals of the pinned version.
 * `metric-families.test.ts` fails when an upgrade changes them.
 */

declare module 'prom-client/lib/counter.js' {
  import { Counter } from 'prom-client';

  export default class extends Counter {
    /** Children by the hash of their labels. */
    readonly hashMap: Readonly<Record<string, { value: number }>>;
  }
}

declare module 'prom-client/lib/gauge.js' {
  import { Gauge } from 'prom-client';

  export default class extends Gauge {
    /** Children by the hash of their labels. */
    readonly hashMap: Readonly<Record<string, { value: number }>>;
  }
}

declare module 'prom-client/lib/histogram.js' {
  import { Histogram } from 'prom-client';

  interface PrintedExemplar {
    readonly labelSet: Readonly<Record<string, string>>;
    readonly value: number;
    readonly timestamp: number;
  }

  /** `bucketValues` has one count for each upper bound, not cumulative; the key of exemplars above all bounds is `-1`. */
  interface HistogramSample {
    sum: number;
    count: number;
    readonly bucketValues: Record<string, number>;
    bucketExemplars?: Record<string, PrintedExemplar | null>;
  }

  export default class extends Histogram {
    /** Children by the hash of their labels. */
    readonly hashMap: Readonly<Record<string, HistogramSample>>;
  }
}

declare module 'prom-client/lib/registry.js' {
  import { type Metric, Registry, type RegistryContentType } from 'prom-client';

  export default class extends Registry<RegistryContentType> {
    /** The text of one metric: the lines HELP and TYPE, then a line for each sample. */
    getMetricsAsString(metric: Metric): Promise<string>;
  }
}

declare module 'prom-client/lib/util.js' {
  /** @param labelNames sorted */
  export function hashObject(labels: Readonly<Record<string, string>>, labelNames: readonly string[]): string;
}
