/** Writes the pages of docs/ that are generated from the source: `npm run docs`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { configDocumentation } from '../src/config/documentation.ts';
import { PROVIDER_CATALOG } from '../src/providers/registry.ts';

const page = join(import.meta.dirname, '..', 'docs', 'configuration.md');
writeFileSync(page, configDocumentation(PROVIDER_CATALOG));
console.log('wrote docs/configuration.md');
