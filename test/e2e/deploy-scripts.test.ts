import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { mockConfig } from './harness.ts';

/** The shell scripts for operators, with the programs of this system; what needs containers is only printed. */

const root = join(import.meta.dirname, '../..');
const has = (name: string) => Bun.which(name) !== null;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-scripts-'));
  mkdirSync(join(folder, 'scripts'));
  for (const name of [
    'setup.sh',
    'health-check.sh',
    'deploy.sh',
    'backup.sh',
    'restore.sh',
    'load-test.sh',
  ]) {
    cpSync(join(root, 'scripts', name), join(folder, 'scripts', name));
  }
  cpSync(join(root, '.env.example'), join(folder, '.env.example'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(script: string, args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn('sh', [join(folder, 'scripts', script), ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, output };
}

describe.skipIf(!has('openssl'))('setup.sh', () => {
  test('writes secrets and a certificate once, and nothing in a dry run', async () => {
    const dry = await run('setup.sh', ['--dry-run']);
    expect([dry.code, existsSync(join(folder, '.env'))]).toEqual([0, false]);
    expect((await run('setup.sh', ['--domain', 'ai.example.com'])).code).toBe(0);
    const env = readFileSync(join(folder, '.env'), 'utf8');
    const secrets = ['WEIR_ADMIN_KEY', 'WEIR_SECRET', 'POSTGRES_PASSWORD', 'REDIS_PASSWORD'].map(
      (name) => new RegExp(`^${name}=([0-9a-f]{64})$`, 'm').exec(env)?.[1],
    );
    expect(new Set(secrets).size).toBe(4);
    expect(secrets).not.toContain(undefined);
    expect(statSync(join(folder, '.env')).mode & 0o077).toBe(0);
    expect(existsSync(join(folder, 'certs/tls.crt'))).toBe(true);
    const again = await run('setup.sh', []);
    expect(again.output).toContain('.env exists: kept.');
    expect(readFileSync(join(folder, '.env'), 'utf8')).toBe(env);
  });

  test('replaces no certificate whose key is missing', async () => {
    const key = join(folder, 'certs/tls.key');
    const certificate = readFileSync(join(folder, 'certs/tls.crt'), 'utf8');
    renameSync(key, `${key}.kept`);
    const { code, output } = await run('setup.sh', []);
    renameSync(`${key}.kept`, key);
    expect([code, output]).toEqual([1, expect.stringContaining('only one of tls.crt and tls.key')]);
    expect(readFileSync(join(folder, 'certs/tls.crt'), 'utf8')).toBe(certificate);
  });

  test('says what an unknown argument is', async () => {
    const { code, output } = await run('setup.sh', ['--domian', 'x']);
    expect([code, output]).toEqual([2, expect.stringContaining('Unknown argument "--domian"')]);
  });
});

test('each script rejects arguments that it would ignore', async () => {
  for (const [script, ...args] of [
    ['deploy.sh', 'compose', 'production'],
    ['deploy.sh', 'kubernetes', 'small', 'production'],
    ['health-check.sh', 'compose', 'kubernetes'],
    ['load-test.sh', 'gatling'],
  ] as const) {
    const { code, output } = await run(script, args);
    expect([script, code, output]).toEqual([script, 2, expect.stringContaining(args.at(-1) ?? '')]);
  }
  expect(await run('load-test.sh', ['--help'])).toMatchObject({ code: 0 });
});

describe('backup.sh and restore.sh', () => {
  test('call weir with the files of the installation, and a folder named after the time', async () => {
    const program = join(folder, 'weir-arguments');
    writeFileSync(program, '#!/bin/sh\nprintf "%s\\n" "$@"\n', { mode: 0o755 });
    mkdirSync(join(folder, 'deploy/nginx'), { recursive: true });
    const env = { WEIR: program };
    const backup = await run('backup.sh', ['local', '--json'], env);
    const lines = backup.output.trim().split('\n');
    expect([backup.code, lines[0]]).toEqual([0, 'backup']);
    expect(lines[1]).toMatch(/^backups\/\d{4}(?:-\d\d){5}$/);
    expect(lines).toContain('deploy/nginx');
    expect(lines.at(-1)).toBe('--json');
    const bucket = await run('backup.sh', ['local', 's3://backups/weir', '--every', '5m'], env);
    expect(bucket.output).toContain('backup\ns3://backups/weir\n--include\n');
    const restore = await run('restore.sh', ['local', 's3://backups/weir', '--dry-run'], env);
    expect([restore.code, restore.output]).toEqual([0, 'restore\ns3://backups/weir\n--dry-run\n']);
    expect(await run('restore.sh', ['--dry-run'], env)).toMatchObject({ code: 2 });
    expect((await run('restore.sh', ['--help'])).output).toContain(
      'scripts/restore.sh [compose|local] LOCATION',
    );
  });
});

describe('deploy.sh', () => {
  test('needs an environment, and prints the steps of a dry run', async () => {
    expect((await run('deploy.sh', [])).code).toBe(2);
    const unknown = await run('deploy.sh', ['kubernetes', 'nowhere', '--dry-run']);
    expect([unknown.code, unknown.output]).toEqual([
      1,
      expect.stringContaining('There is no deploy/kubernetes'),
    ]);
    writeFileSync(join(folder, '.env'), 'WEIR_ADMIN_KEY=x\n');
    const { code, output } = await run('deploy.sh', ['compose', '--image', 'weir:2', '--dry-run'], {
      COSIGN_IDENTITY: 'release',
      COSIGN_ISSUER: 'https://issuer.example.com',
    });
    expect(code).toBe(0);
    const steps = output.trim().split('\n');
    // A signature is verified before anything starts.
    expect(steps[0]).toContain('cosign verify');
    expect(steps).toContain('+ docker compose up --detach --wait --wait-timeout 300');
  });
});

/** Notes its calls; the migration has the state of the variable. */
const KUBECTL = `#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
  kustomize*) printf 'image: example.com/weir:1.0.0\\nname: weir-migrate\\n' ;;
  *'get job'*) printf '%s' "$MIGRATION" ;;
  *apply*) sed 's/^/applied /' "$(echo "$*" | sed 's/.*--filename \\([^ ]*\\).*/\\1/')" >> "$CALLS" ;;
  *'get pods'*) echo 'weir-1 1/1 Running 0' ;;
esac
`;
describe('deploy.sh kubernetes', () => {
  const deploy = async (migration: string) => {
    const bin = mkdtempSync(join(folder, 'bin-'));
    writeFileSync(join(bin, 'kubectl'), KUBECTL, { mode: 0o755 });
    mkdirSync(join(folder, 'deploy/kubernetes/overlays/small'), { recursive: true });
    const calls = join(bin, 'calls');
    const env = { PATH: `${bin}:${process.env.PATH}`, CALLS: calls, MIGRATION: migration };
    const { code, output } = await run('deploy.sh', ['kubernetes', 'small', '--image', 'new/weir:2'], env);
    return { code, output, calls: readFileSync(calls, 'utf8').trim().split('\n') };
  };

  test('migrates with the new image before it replaces gateways', async () => {
    const { code, calls } = await deploy('Complete');
    expect(code).toBe(0);
    const steps = calls.map(
      (call) =>
        /delete job|(?<=apply.*)selector|get job|rollout|^apply(?!.*selector)|get pods/.exec(call)?.[0],
    );
    expect(steps.filter(Boolean)).toEqual([
      'delete job',
      'selector',
      'get job',
      'apply',
      'rollout',
      'get pods',
    ]);
    expect(calls.filter((call) => call.startsWith('applied image'))).toEqual([
      'applied image: new/weir:2',
      'applied image: new/weir:2',
    ]);
  });

  test('changes no gateway when the migration fails', async () => {
    const { code, output, calls } = await deploy('FailureTarget Failed');
    expect([code, output]).toEqual([1, expect.stringContaining('The migration failed')]);
    expect(calls.filter((call) => call.includes('apply') && !call.includes('selector'))).toEqual([]);
  });
});

describe.skipIf(!has('curl'))('health-check.sh', () => {
  test('reports each model of a gateway, and fails when it is down', async () => {
    const gateway: Gateway = await startGateway({ config: mockConfig('http://127.0.0.1:9') });
    const env = { WEIR_ADMIN_KEY: gateway.adminKey };
    const up = await run('health-check.sh', [gateway.url], env);
    expect(up).toEqual({ code: 0, output: expect.stringMatching(/^gateway +ok /m) });
    expect(up.output).toMatch(/^model chat +ok/m);
    expect(up.output).not.toContain(gateway.adminKey);
    await gateway.stop();
    const down = await run('health-check.sh', [gateway.url], env);
    expect(down).toEqual({ code: 1, output: expect.stringMatching(/^gateway +DOWN /m) });
  });
});
