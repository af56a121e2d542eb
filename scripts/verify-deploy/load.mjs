// The load tests: each runs against a gateway, passes, and fails where it should.
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './lib/process.mjs';
import { freePort, Service } from './lib/service.mjs';

const KEY = 'verify-deploy-admin-key';
const SCRIPT = 'loadtest/k6.js';
const CHECKED = ['chat: 200', 'stream: complete', 'embeddings: 200', 'mistake: 404'];

/** Runs `use` with a gateway whose only provider is the simulator. */
async function withGateway({ root, temporary }, use) {
  const port = await freePort();
  const folder = temporary();
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    WEIR_ADMIN_KEY: KEY,
    WEIR_DATA_DIR: join(folder, 'data'),
    WEIR_DETECT_ENGINES: '0',
    SERVER_HOST: '127.0.0.1',
    SERVER_PORT: String(port),
    METRICS_PORT: 'off',
  };
  const service = new Service([process.execPath, join(root, 'bin/weir.mjs'), 'serve'], { cwd: folder, env });
  try {
    const url = `http://127.0.0.1:${port}`;
    await service.ready(`${url}/health/ready`, 120_000);
    return await use(url);
  } finally {
    await service.stop();
  }
}

/** The machine is shared: what is proved is that the test runs and judges, not how fast the machine is. */
const GAP = 'the latency target, which npm run load measures';

export const checks = [
  {
    artefact: 'loadtest/locustfile.py',
    tool: 'locust',
    async run(context) {
      const locust = await context.tools.pip('locust==2.32.4', 'locust');
      return withGateway(context, async (url) => {
        const start = (env, users, seconds) =>
          run(
            [
              ...[locust, '-f', 'loadtest/locustfile.py', '--headless', '--only-summary', '-H', url],
              ...['-u', String(users), '-r', '50', '-t', `${seconds}s`],
            ],
            { cwd: context.root, ok: [0, 1], env: { WEIR_API_KEY: KEY, ...env } },
          );
        const relaxed = { WEIR_MAX_P95_MS: '30000', WEIR_MAX_P99_MS: '60000' };
        const { code, stdout, stderr } = await start(relaxed, 100, 15);
        const summary = /p95 .* of (\d+) requests failed/.exec(`${stdout}${stderr}`);
        if (code !== 0 || !summary) throw new Error(`exit code ${code}\n${stdout.slice(-2000)}`);
        for (const name of ['chat', 'stream', 'embeddings', 'mistake', 'stream: first token']) {
          if (!stdout.includes(` ${name} `) && !stderr.includes(` ${name} `))
            throw new Error(`no "${name}" was sent`);
        }
        const wrong = await start({ ...relaxed, WEIR_CHAT_MODEL: 'absent' }, 5, 5);
        if (wrong.code !== 1) throw new Error('it passes although every chat fails');
        return { result: 'proved', detail: `100 users, ${summary[0]}`, gap: GAP };
      });
    },
  },
  {
    artefact: SCRIPT,
    tool: 'types of k6',
    async run({ root, tools, temporary }) {
      const modules = await tools.npmModules('@types/k6@2.3.0');
      const folder = temporary();
      symlinkSync(modules, join(folder, 'node_modules'));
      const script = join(folder, 'k6.js');
      const flags = [
        '--noEmit',
        '--allowJs',
        '--checkJs',
        '--noImplicitAny',
        'false',
        '--module',
        'esnext',
        '--moduleResolution',
        'bundler',
      ];
      const check = async (text) => {
        writeFileSync(script, text);
        const command = [join(root, 'node_modules/.bin/tsc'), ...flags, '--types', 'k6', script];
        const { code, stdout } = await run(command, { cwd: folder, ok: [0, 1, 2] });
        return code === 0 ? '' : stdout;
      };
      const text = readFileSync(join(root, SCRIPT), 'utf8');
      if ((await check(text.replace('http.post(', 'http.send('))) === '')
        throw new Error('the types accept a method that k6 does not have');
      const findings = await check(text);
      if (findings !== '') throw new Error(findings);
      return { result: 'proved', detail: 'it calls k6 as version 2 declares it' };
    },
  },
  {
    artefact: SCRIPT,
    tool: 'own runner',
    async run(context) {
      return withGateway(context, async (url) => {
        const runner = join(context.root, 'scripts/verify-deploy/lib/k6-stand-in.mjs');
        const start = (env) =>
          run([process.execPath, runner, join(context.root, SCRIPT), '24'], {
            env: { BASE_URL: url, WEIR_API_KEY: KEY, ...env },
            ok: [0, 99],
          });
        const { code, stdout } = await start({});
        if (code !== 0) throw new Error(`failed checks: ${stdout}`);
        const checked = stdout.trim().split('\n');
        for (const name of CHECKED) {
          if (!checked.some((line) => line.startsWith(name))) throw new Error(`no "${name}" was checked`);
        }
        const wrong = await start({ WEIR_CHAT_MODEL: 'absent' });
        if (wrong.code !== 99) throw new Error('it passes although every chat fails');
        return {
          result: 'proved',
          detail: checked.join(', '),
          gap: 'rates and thresholds, which only k6 applies',
        };
      });
    },
  },
  {
    artefact: SCRIPT,
    tool: 'k6',
    async run(context) {
      // Its licence lets operators run it; this project does not install it for them.
      const k6 = context.tools.present('k6');
      return withGateway(context, async (url) => {
        const start = (variables) =>
          run(
            [
              ...[k6, 'run', '--quiet', '--no-usage-report', '-e', `BASE_URL=${url}`, '-e', 'RATE=40'],
              ...['-e', 'DURATION=10s', '-e', `WEIR_API_KEY=${KEY}`, ...variables, SCRIPT],
            ],
            { cwd: context.root, ok: [0, 99] },
          );
        const { stdout } = await start([]);
        for (const name of CHECKED) {
          if (!stdout.includes(name)) throw new Error(`no "${name}" was checked`);
        }
        const checked = /checks_total\.*: (\d+)/.exec(stdout)?.[1];
        const failed = /checks_failed\.*: ([\d.]+)%/.exec(stdout)?.[1];
        if (failed === undefined || Number(failed) > 0)
          throw new Error(`failed checks: ${stdout.slice(-2000)}`);
        const wrong = await start(['-e', 'WEIR_CHAT_MODEL=absent']);
        if (wrong.code !== 99) throw new Error('it passes although every chat fails');
        return { result: 'proved', detail: `${checked} checks`, gap: GAP };
      });
    },
  },
  {
    artefact: 'scripts/load-test.sh',
    tool: 'shellcheck',
    async run({ root, tools, temporary }) {
      const shellcheck = await tools.apt(['shellcheck'], 'shellcheck');
      const broken = join(temporary(), 'broken.sh');
      writeFileSync(broken, '#!/bin/sh\nrm -rf $1/*\n');
      const { code } = await run([shellcheck, '--enable=all', broken], { ok: [0, 1] });
      if (code !== 1) throw new Error('shellcheck accepts an unquoted variable');
      await run([shellcheck, 'scripts/load-test.sh'], { cwd: root });
      return { result: 'proved', detail: 'no finding' };
    },
  },
];
