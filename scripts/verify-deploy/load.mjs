// The load tests: each runs against a gateway, passes, and fails where it should.
import { join } from 'node:path';
import { run } from './lib/process.mjs';
import { freePort, Service } from './lib/service.mjs';

const KEY = 'verify-deploy-admin-key';

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
    artefact: 'loadtest/k6.js',
    tool: 'k6',
    async run(context) {
      const k6 = await context.tools.go('go.k6.io/k6@v1.8.1', 'k6');
      return withGateway(context, async (url) => {
        const start = (variables) =>
          run(
            [
              ...[k6, 'run', '--quiet', '--no-usage-report', '-e', `BASE_URL=${url}`, '-e', 'RATE=40'],
              ...['-e', 'DURATION=10s', '-e', `WEIR_API_KEY=${KEY}`, ...variables, 'loadtest/k6.js'],
            ],
            { cwd: context.root, ok: [0, 99] },
          );
        const { stdout } = await start([]);
        for (const name of ['chat: 200', 'stream: complete', 'embeddings: 200', 'mistake: 404']) {
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
      const { writeFileSync } = await import('node:fs');
      writeFileSync(broken, '#!/bin/sh\nrm -rf $1/*\n');
      const { code } = await run([shellcheck, '--enable=all', broken], { ok: [0, 1] });
      if (code !== 1) throw new Error('shellcheck accepts an unquoted variable');
      await run([shellcheck, 'scripts/load-test.sh'], { cwd: root });
      return { result: 'proved', detail: 'no finding' };
    },
  },
];
