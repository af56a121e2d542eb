// The npm package: installed from its archive into an empty folder, as a user does.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './lib/process.mjs';
import { exercise, exerciseGrpc, exerciseMetrics, SIMULATED } from './lib/requests.mjs';
import { freePort, Service } from './lib/service.mjs';

const ADMIN_KEY = 'verify-deploy-admin-key';

export const checks = [
  {
    artefact: 'npm package',
    tool: 'npm pack, npm install, npx weir',
    async run({ root, temporary, print }) {
      const folder = temporary();
      const packed = join(folder, 'packed');
      const project = join(folder, 'project');
      for (const path of [packed, project]) mkdirSync(path);
      await run(['node', 'scripts/release.mjs', 'package', join(folder, 'package')], { cwd: root });
      await run(['npm', 'pack', join(folder, 'package'), '--pack-destination', packed], { cwd: folder });
      const [archive] = readdirSync(packed);
      print(`      installing ${archive} into an empty folder`);
      writeFileSync(join(project, 'package.json'), '{ "private": true }\n');
      const flags = ['--no-audit', '--no-fund', '--loglevel=error'];
      await run(['npm', 'install', ...flags, join(packed, archive)], { cwd: project });
      writeFileSync(join(project, 'weir.yaml'), SIMULATED);

      const [port, metricsPort, grpcPort] = [await freePort(), await freePort(), await freePort()];
      const env = {
        // No npm is found: a start that installs something fails.
        PATH: `${temporary()}:${process.env.PATH}`,
        HOME: folder,
        WEIR_ADMIN_KEY: ADMIN_KEY,
        SERVER_HOST: '127.0.0.1',
        SERVER_PORT: String(port),
        METRICS_PORT: String(metricsPort),
        GRPC_PORT: String(grpcPort),
      };
      const before = listing(project);
      const service = new Service(['npx', '--no-install', 'weir', 'serve'], { cwd: project, env });
      try {
        const base = `http://127.0.0.1:${port}`;
        const started = await service.ready(`${base}/health/ready`);
        await exercise(base, ADMIN_KEY);
        await exerciseMetrics(metricsPort);
        await exerciseGrpc(grpcPort, ADMIN_KEY);
        const weir = async (args, more = {}) =>
          (await run(['npx', '--no-install', 'weir', ...args], { cwd: project, env: { ...env, ...more } }))
            .stdout;
        await weir(['backup', 'data/backup']);
        await weir(['restore', 'data/backup'], { WEIR_DATA_DIR: 'data/restored' });
        await weir(['demo', '--generate-only', '--data-dir', 'data/demo']);
        const proto = join(project, 'node_modules/@weir-gateway/weir/proto/weir/v1/inference.proto');
        if (!existsSync(proto)) throw new Error('the package has no files of gRPC');
        const added = listing(project).filter((path) => !before.includes(path) && !path.startsWith('data'));
        if (added.length > 0) throw new Error(`the start wrote ${added.slice(0, 5).join(', ')}`);
        const version = (await weir(['--version'])).trim();
        const { version: wanted } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
        if (version !== wanted) throw new Error(`weir --version prints ${version}`);
        return {
          result: 'proved',
          detail: `ready ${Math.round(started)} ms after \`npx weir serve\``,
          gap: 'publishing to a registry',
        };
      } finally {
        await service.stop();
      }
    },
  },
  {
    artefact: 'CycloneDX SBOM',
    tool: 'cyclonedx-python-lib',
    async run({ root, tools, temporary }) {
      const python = await tools.pip('cyclonedx-python-lib[json-validation]==11.12.0', 'python');
      const path = join(temporary(), 'sbom.cdx.json');
      await run(['node', 'scripts/release.mjs', 'sbom', path], { cwd: root });
      const script = `
import json, sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
text = open(sys.argv[1]).read()
version = json.loads(text)['specVersion'].replace('.', '_')
error = JsonStrictValidator(SchemaVersion['V' + version]).validate_str(text)
sys.exit(str(error)[:2000] if error else 0)
`;
      const broken = join(temporary(), 'broken.json');
      const sbom = JSON.parse(readFileSync(path, 'utf8'));
      writeFileSync(broken, JSON.stringify({ ...sbom, components: [{ name: 'no type' }] }));
      const { code } = await run([python, '-c', script, broken], { ok: [0, 1] });
      if (code !== 1) throw new Error('the validator accepts a component without a type');
      await run([python, '-c', script, path]);
      const names = new Set(sbom.components.map(({ group, name }) => (group ? `${group}/${name}` : name)));
      const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
      const missing = [...Object.keys(dependencies), 'react', 'minisearch'].filter(
        (name) => !names.has(name),
      );
      if (missing.length > 0) throw new Error(`it lacks ${missing}`);
      return {
        result: 'proved',
        detail: `${sbom.components.length} components, CycloneDX ${sbom.specVersion}`,
      };
    },
  },
];

const listing = (folder) => readdirSync(folder, { recursive: true }).map(String);
