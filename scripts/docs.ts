/** Writes the pages of docs/ that are generated from the source: `npm run docs`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CONFIG_CATALOG } from '../src/app/config-catalog.ts';
import { configDocumentation } from '../src/config/documentation.ts';
import { eventsPage } from '../src/events/events-page.ts';
import { withGrpcCodes } from '../src/grpc/grpc-codes-table.ts';
import { metricsPage } from '../src/observability/metrics-page.ts';
import { envExample } from './env-example.ts';

const page = join(import.meta.dirname, '..', 'docs', 'configuration.md');
writeFileSync(page, configDocumentation(CONFIG_CATALOG));
console.log('wrote docs/configuration.md');

writeFileSync(join(import.meta.dirname, '..', 'docs', 'metrics.md'), metricsPage());
console.log('wrote docs/metrics.md');

writeFileSync(join(import.meta.dirname, '..', 'docs', 'events.md'), eventsPage());
console.log('wrote docs/events.md');

const grpcPage = join(import.meta.dirname, '..', 'docs', 'grpc.md');
writeFileSync(grpcPage, withGrpcCodes(readFileSync(grpcPage, 'utf8')));
console.log('wrote docs/grpc.md');

writeFileSync(join(import.meta.dirname, '..', '.env.example'), envExample(CONFIG_CATALOG));
console.log('wrote .env.example');
