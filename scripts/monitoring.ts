/**
 * Writes the dashboards and rules of deploy/monitoring, and the copies of the rules for Kubernetes: `npm run monitoring`.
 * Arguments: `--runbooks URL` and `--grafana URL` replace the addresses of `docker-compose.monitoring.yml` in links; `--out FOLDER`
 * writes elsewhere.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { DEFAULT_LINKS, generatedFiles, kubernetesFiles } from '../deploy/monitoring/src/generate.ts';

const { values } = parseArgs({
  options: { runbooks: { type: 'string' }, grafana: { type: 'string' }, out: { type: 'string' } },
});
const withoutSlash = (url: string) => url.replace(/\/+$/, '');
const links = {
  runbooks: withoutSlash(values.runbooks ?? DEFAULT_LINKS.runbooks),
  grafana: withoutSlash(values.grafana ?? DEFAULT_LINKS.grafana),
};
const deploy = join(import.meta.dirname, '../deploy');
const out = values.out ?? join(deploy, 'monitoring');

// A dashboard that the description no longer has must not stay.
for (const folder of ['grafana/dashboards', 'prometheus/rules'])
  rmSync(join(out, folder), { recursive: true, force: true });
write(out, generatedFiles(links));
write(values.out ?? deploy, kubernetesFiles(links));

function write(folder: string, files: ReadonlyMap<string, string>): void {
  for (const [path, text] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  console.log(`wrote ${files.size} files below ${folder}`);
}
