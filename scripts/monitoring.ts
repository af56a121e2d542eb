/**
 * Writes the dashboards and rules of deploy/monitoring: `npm run monitoring`. Arguments: `--runbooks URL` and `--grafana URL`
 * replace the addresses of `docker-compose.monitoring.yml` in links; `--out FOLDER` writes elsewhere.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { DEFAULT_LINKS, generatedFiles } from '../deploy/monitoring/src/generate.ts';

const { values } = parseArgs({
  options: { runbooks: { type: 'string' }, grafana: { type: 'string' }, out: { type: 'string' } },
});
const withoutSlash = (url: string) => url.replace(/\/+$/, '');
const links = {
  runbooks: withoutSlash(values.runbooks ?? DEFAULT_LINKS.runbooks),
  grafana: withoutSlash(values.grafana ?? DEFAULT_LINKS.grafana),
};
const out = values.out ?? join(import.meta.dirname, '../deploy/monitoring');

// A dashboard that the description no longer has must not stay.
for (const folder of ['grafana/dashboards', 'prometheus/rules'])
  rmSync(join(out, folder), { recursive: true, force: true });
const files = generatedFiles(links);
for (const [path, text] of files) {
  mkdirSync(dirname(join(out, path)), { recursive: true });
  writeFileSync(join(out, path), text);
}
console.log(`wrote ${files.size} files below ${out}`);
