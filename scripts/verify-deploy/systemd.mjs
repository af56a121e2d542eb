// The systemd unit, and the Debian package that installs it.
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { debianRoot } from './lib/debian-root.mjs';
import { inRoot } from './lib/enter-root.mjs';
import { run } from './lib/process.mjs';
import { exercise, exerciseGrpc } from './lib/requests.mjs';
import { freePort, Service } from './lib/service.mjs';

/** Each with the units that are verified with it. */
const UNITS = [['weir.service'], ['weir-backup.service', 'weir-backup.timer']];
/** Exposure that `systemd-analyze security` may rate, in tenths: 0 is none, 100 is root without limits. */
const MAX_EXPOSURE = 20;

/** A file tree in which a unit with its companions, the units of systemd, and the programs that it names exist. */
function stage(folder, root, [name, ...others], unit) {
  const units = ['/usr/lib/systemd/system', '/lib/systemd/system'].find(existsSync);
  if (units === undefined) throw new Error('systemd has no units');
  cpSync(units, join(folder, 'usr/lib/systemd/system'), { recursive: true, verbatimSymlinks: true });
  for (const path of ['etc/systemd/system', 'usr/bin', 'bin'])
    mkdirSync(join(folder, path), { recursive: true });
  const target = join(folder, 'etc/systemd/system');
  writeFileSync(join(target, name), unit);
  for (const other of others) copyFileSync(join(root, 'deploy/systemd', other), join(target, other));
  for (const program of ['usr/bin/weir', 'bin/kill']) {
    writeFileSync(join(folder, program), '#!/bin/sh\n');
    chmodSync(join(folder, program), 0o755);
  }
}

export const checks = [
  ...UNITS.flatMap((names) => [
    {
      artefact: `deploy/systemd/${names[0]}`,
      tool: 'systemd-analyze verify',
      async run({ root, tools, temporary }) {
        const analyze = await tools.apt(['systemd'], 'systemd-analyze');
        const unit = readFileSync(join(root, 'deploy/systemd', names[0]), 'utf8');
        const verify = async (text) => {
          const folder = temporary();
          stage(folder, root, names, text);
          const { code, stdout, stderr } = await run([analyze, 'verify', `--root=${folder}`, ...names], {
            ok: [0, 1],
          });
          const findings = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('weir'));
          return { code, findings };
        };
        const broken = await verify(`${unit}\n[Service]\nProtectSystm=strict\nExecStart=/usr/bin/absent\n`);
        if (broken.findings.length === 0) throw new Error('systemd-analyze accepts a broken unit');
        const { code, findings } = await verify(unit);
        if (code !== 0 || findings.length > 0) throw new Error(findings.join('\n') || `exit code ${code}`);
        return { result: 'proved', detail: 'no finding' };
      },
    },
    {
      artefact: `deploy/systemd/${names[0]}`,
      tool: 'systemd-analyze security',
      async run({ root, tools, temporary }) {
        const analyze = await tools.apt(['systemd'], 'systemd-analyze');
        const copy = join(temporary(), names[0]);
        copyFileSync(join(root, 'deploy/systemd', names[0]), copy);
        const { stdout } = await run([
          ...[analyze, 'security', '--offline=true', `--threshold=${MAX_EXPOSURE}`, '--no-pager', copy],
        ]);
        const overall = /Overall exposure level.*?([\d.]+) (\w+)/.exec(stdout);
        if (!overall) throw new Error(`no exposure level in:\n${stdout}`);
        return { result: 'proved', detail: `exposure ${overall[1]} of 10 (${overall[2]})` };
      },
    },
  ]),
  {
    artefact: 'Debian package',
    tool: 'lintian; dpkg in a debootstrap root',
    async run({ root, tools, temporary, print }) {
      const lintian = await tools.apt(['lintian'], 'lintian');
      const folder = temporary();
      await run(['node', 'scripts/release.mjs', 'deb', folder], { cwd: root });
      const name = readdirSync(folder).find((one) => one.endsWith('.deb'));
      print(`      checking ${name}`);
      await run([lintian, '--allow-root', '--fail-on', 'error', join(folder, name)]);

      const system = join(folder, 'system');
      await run(['cp', '--archive', await debianRoot(tools, print), system]);
      cpSync(join(folder, name), join(system, name));
      const inside = (command, options) => run(['chroot', system, ...command], options);
      await inside(['dpkg', '--install', `/${name}`]);
      const mode = async (path) => (await inside(['stat', '-c', '%U:%G %a', path])).stdout.trim();
      const modes = { '/etc/weir/weir.env': 'root:weir 640', '/var/lib/weir': 'weir:weir 700' };
      for (const [path, wanted] of Object.entries(modes)) {
        const found = await mode(path);
        if (found !== wanted) throw new Error(`${path} has ${found}, not ${wanted}`);
      }
      await serveAs(system, (name) => readFileSync(join(root, 'deploy/systemd', name), 'utf8'));

      await inside(['dpkg', '--remove', 'weir']);
      if (!existsSync(join(system, 'var/lib/weir/control.sqlite')))
        throw new Error('removing deleted the data');
      await inside(['dpkg', '--purge', 'weir']);
      for (const path of ['var/lib/weir', 'etc/weir', 'usr/lib/weir']) {
        if (existsSync(join(system, path))) throw new Error(`purging left /${path}`);
      }
      const { size } = statSync(join(folder, name));
      return {
        result: 'proved',
        detail: `${(size / 1e6).toFixed(1)} MB; installed, served and backed up as user weir, removed, purged`,
        gap: 'a start by systemd, and with it the filter of system calls',
      };
    },
  },
];

/**
 * Starts the gateway and a backup as the units do: their user, environment, working directory and command.
 * @param {string} system root with the installed package
 * @param {(name: string) => string} unit text of a unit
 */
async function serveAs(system, unit) {
  const service = unit('weir.service');
  const own = [...service.matchAll(/^Environment=(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]);
  const [port, grpcPort] = [await freePort(), await freePort()];
  const key = 'verify-deploy-admin-key';
  const backups = '/var/lib/weir/backups';
  const env = {
    ...Object.fromEntries(own),
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    ...{ SERVER_PORT: String(port), METRICS_PORT: 'off', GRPC_PORT: String(grpcPort), WEIR_ADMIN_KEY: key },
  };
  const as = (...words) => inRoot(system, join(system, 'var/lib/weir'), 'weir:weir', words);
  const commandOf = (text) =>
    /^ExecStart=(.*)$/m
      .exec(text)[1]
      .replace(/\$\{WEIR_BACKUP_LOCATION\}/, backups)
      .split(' ');
  await run(as('/usr/bin/weir', 'config', 'check'), { env });
  const gateway = new Service(as(...commandOf(service)), { env });
  try {
    const base = `http://127.0.0.1:${port}`;
    await gateway.ready(`${base}/health/ready`);
    await exercise(base, key);
    await exerciseGrpc(grpcPort, key);
    await run(as('/usr/bin/weir', 'health'), { env });
    await run(as(...commandOf(unit('weir-backup.service'))), { env });
    await run(as('/usr/bin/weir', 'backup', 'verify', backups), { env });
  } finally {
    await gateway.stop();
  }
}
