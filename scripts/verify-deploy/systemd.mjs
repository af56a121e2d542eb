// The systemd unit: its syntax, and how much it is exposed.
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './lib/process.mjs';

const UNIT = 'deploy/systemd/weir.service';
/** Exposure that `systemd-analyze security` may rate, in tenths: 0 is none, 100 is root without limits. */
const MAX_EXPOSURE = 20;

/** A file tree in which the unit, the units of systemd, and the programs that it names exist. */
function stage(folder, unit) {
  const units = ['/usr/lib/systemd/system', '/lib/systemd/system'].find(existsSync);
  if (units === undefined) throw new Error('systemd has no units');
  cpSync(units, join(folder, 'usr/lib/systemd/system'), { recursive: true, verbatimSymlinks: true });
  for (const path of ['etc/systemd/system', 'usr/bin', 'bin'])
    mkdirSync(join(folder, path), { recursive: true });
  writeFileSync(join(folder, 'etc/systemd/system/weir.service'), unit);
  for (const program of ['usr/bin/weir', 'bin/kill']) {
    writeFileSync(join(folder, program), '#!/bin/sh\n');
    chmodSync(join(folder, program), 0o755);
  }
}

export const checks = [
  {
    artefact: UNIT,
    tool: 'systemd-analyze verify',
    async run({ root, tools, temporary }) {
      const analyze = await tools.apt(['systemd'], 'systemd-analyze');
      const unit = readFileSync(join(root, UNIT), 'utf8');
      const verify = async (text) => {
        const folder = temporary();
        stage(folder, text);
        const { code, stdout, stderr } = await run([analyze, 'verify', `--root=${folder}`, 'weir.service'], {
          ok: [0, 1],
        });
        const findings = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('weir.service'));
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
    artefact: UNIT,
    tool: 'systemd-analyze security',
    async run({ root, tools, temporary }) {
      const analyze = await tools.apt(['systemd'], 'systemd-analyze');
      const copy = join(temporary(), 'weir.service');
      copyFileSync(join(root, UNIT), copy);
      const { stdout } = await run([
        ...[analyze, 'security', '--offline=true', `--threshold=${MAX_EXPOSURE}`, '--no-pager', copy],
      ]);
      const overall = /Overall exposure level.*?([\d.]+) (\w+)/.exec(stdout);
      if (!overall) throw new Error(`no exposure level in:\n${stdout}`);
      return { result: 'proved', detail: `exposure ${overall[1]} of 10 (${overall[2]})` };
    },
  },
];
