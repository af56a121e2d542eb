/** Writes the pages of docs/ that are generated from the source: `npm run docs`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CONFIG_CATALOG } from '../src/app/config-catalog.ts';
import { configDocumentation } from '../src/config/documentation.ts';
import { eventsPage } from '../src/events/events-page.ts';
import { Metrics } from '../src/observability/metrics.ts';
import { withMetricsTable } from '../src/observability/metrics-page.ts';

const page = join(import.meta.dirname, '..', 'docs', 'configuration.md');
writeFileSync(page, configDocumentation(CONFIG_CATALOG));
console.log('wrote docs/configuration.md');

const operations = join(import.meta.dirname, '..', 'docs', 'operations.md');
const stats = { cpuSeconds: 0, residentBytes: 0, startedAtSeconds: 0, openFiles: undefined };
const metrics = new Metrics(
  () => stats,
  () => 0,
  { takeMaxDelay: () => 0, takeMaxBusy: () => 0 },
);
writeFileSync(operations, withMetricsTable(readFileSync(operations, 'utf8'), metrics.describe()));
console.log('wrote the metrics of docs/operations.md');

writeFileSync(join(import.meta.dirname, '..', 'docs', 'events.md'), eventsPage());
console.log('wrote docs/events.md');
