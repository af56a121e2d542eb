import { beforeAll, describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { allAlerts } from '../../deploy/monitoring/src/alerts.ts';
import { DASHBOARDS } from '../../deploy/monitoring/src/dashboards/index.ts';
import { EXPORTER_METRICS } from '../../deploy/monitoring/src/exporters.ts';
import { generatedFiles } from '../../deploy/monitoring/src/generate.ts';
import { exposedMetrics } from '../../deploy/monitoring/src/metric-names.ts';
import { RUNBOOKS } from '../../deploy/monitoring/src/runbooks.ts';
import { weir } from '../e2e/harness.ts';
import { ROUTES } from '../e2e/helpers/route-table.ts';

/** Runbooks name commands, routes, panels and metrics that exist: an operator at night has no time for others. */

const docs = join(import.meta.dirname, '../../docs');
const pages = [...RUNBOOKS.map((name) => `runbooks/${name}.md`), 'runbooks/README.md', 'monitoring.md'];
const read = (page: string) => readFileSync(join(docs, page), 'utf8');
const panels = new Set(
  DASHBOARDS.flatMap(({ title, rows }) =>
    rows.flatMap((row) => row.panels.map((panel) => `${title} / ${panel.title}`)),
  ),
);
const shellOf = (page: string) =>
  [...read(page).matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, text]) => text ?? '').join('\n');
const codeOf = (page: string) =>
  [
    shellOf(page),
    ...[
      ...read(page)
        .replace(/^```[\s\S]*?^```/gm, '')
        .matchAll(/`([^`\n]+)`/g),
    ].map(([, text]) => text ?? ''),
  ].join('\n');

describe('pages', () => {
  test('are those that alerts and panels link to', () => {
    const present = readdirSync(join(docs, 'runbooks')).filter(
      (name) => name.endsWith('.md') && name !== 'README.md',
    );
    expect(present.sort()).toEqual(RUNBOOKS.map((name) => `${name}.md`).sort());
    const text = [...generatedFiles().values()].join('');
    const linked = new Set(
      [...text.matchAll(/http:\/\/localhost:8090\/([\w-]+)\.md/g)].map(([, name]) => name),
    );
    expect([...linked].filter((name) => !RUNBOOKS.some((one) => one === name))).toEqual([]);
  });

  test.each(allAlerts().map((alert) => [alert.name, alert] as const))(
    '%s has one of its own',
    (name, { runbook, severity }) => {
      const text = read(`runbooks/${runbook}.md`);
      expect(text).toStartWith(`# ${name}\n`);
      expect(text.split('\n')[2]?.toLowerCase()).toStartWith(`${severity}: `);
      const row = new RegExp(`^\\| \\[${name}\\]\\(${runbook}\\.md\\) \\| ${severity} \\|`, 'm');
      expect(read('runbooks/README.md')).toMatch(row);
      expect(read('monitoring.md')).toContain(name);
    },
  );

  test.each(RUNBOOKS)('%s has symptom, first look, causes and fixes, verification', (name) => {
    const headings = [...read(`runbooks/${name}.md`).matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual(['Symptom', 'First look', 'Causes and fixes', 'Verification']);
    const first = /## First look\n([\s\S]*?)\n## /.exec(read(`runbooks/${name}.md`))?.[1] ?? '';
    expect(first).toContain('```sh');
    expect(first).toContain('**');
  });
});

describe('every page names only what exists', () => {
  /** Programs that operators have, and those of this repository. */
  const PROGRAMS = new Set([
    ...[
      'curl',
      'weir',
      'npm',
      'docker',
      'kubectl',
      'redis-cli',
      'psql',
      'nvidia-smi',
      'journalctl',
      'df',
      'du',
      'mount',
      'ps',
      'export',
    ],
    ...['grep', 'promtool', 'amtool'],
  ]);
  const help = new Map<string, string>();
  const commandsOf = (page: string) =>
    [...codeOf(page).matchAll(/(?:^|(?<!-n)[\s"'(])weir ([a-z]+)((?: [a-z]+)?)([^\n|]*)/gm)].map(
      ([, command = '', next = '', rest = '']) => ({ command, next: next.trim(), rest }),
    );

  beforeAll(async () => {
    const root = await weir(['--help']);
    help.set('', root.stdout);
    const names = [...root.stdout.matchAll(/^ {2}([a-z]+)(?: |$)/gm)].map(([, name]) => name ?? '');
    for (const name of new Set(names)) help.set(name, (await weir([name, '--help'])).stdout);
  }, 120_000);

  test.each(pages)('panels of %s', (page) => {
    const named = [...read(page).matchAll(/\*\*([^*\n]+ \/ [^*\n]+)\*\*/g)].map(([, name]) => name ?? '');
    expect(named.filter((name) => !panels.has(name))).toEqual([]);
  });

  test.each(pages)(
    'commands of weir in %s',
    async (page) => {
      for (const { command, next, rest } of commandsOf(page)) {
        const text = help.get(command);
        expect(text ?? `weir ${command} does not exist`).toContain('Usage: weir');
        const isSubcommand = text?.includes('Commands:') === true && next !== '';
        if (isSubcommand && !next.startsWith('-'))
          expect(text).toMatch(new RegExp(`^ {2}${next}[ |\\[<]`, 'm'));
        // A group without the name of a command runs its default one.
        const usual = /^ {2}([a-z-]+) .*\(default\)/m.exec(text ?? '')?.[1];
        const inner = isSubcommand && !next.startsWith('-') ? next : usual;
        const full = inner ? (await weir([command, inner, '--help'])).stdout : (text ?? '');
        for (const [option] of `${next}${rest}`.matchAll(/--[a-z][a-z-]*/g)) {
          expect(`weir ${command} ${next}: ${full}`).toContain(option);
        }
      }
    },
    120_000,
  );

  test.each(pages)('programs of %s', (page) => {
    const lines = shellOf(page)
      .replaceAll(/\\\n/g, ' ')
      .split('\n')
      .filter((line) => line.trim() !== '' && !line.startsWith('#'));
    const programs = lines.flatMap((line) =>
      line
        .replaceAll(/'[^']*'|"[^"]*"/g, '""')
        .split(/\|\||&&|\|/)
        .map(
          (part) =>
            part
              .trim()
              .replace(/^(\w+=\S* )+/, '')
              .split(/\s/)[0] ?? '',
        ),
    );
    expect(programs.filter((program) => !PROGRAMS.has(program))).toEqual([]);
  });

  const routes = ROUTES.map(([route]) => {
    const [method = '', path = ''] = route.split(' ');
    return { method, path: new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}$`) };
  });
  test.each(pages)('routes of %s', (page) => {
    const text = codeOf(page).replaceAll(/\\\n/g, ' ');
    const called = [
      ...[...text.matchAll(/curl ([^\n]*?)http:\/\/localhost:8080(\/[\w/.-]*)([^\n]*)/g)].map(
        ([, before = '', path = '', after = '']) => ({
          method: /-X (\w+)/.exec(before + after)?.[1] ?? (/ -d /.test(after) ? 'POST' : 'GET'),
          path,
        }),
      ),
      ...[...text.matchAll(/\b(GET|POST|PATCH|DELETE) (\/[\w/-]+)/g)].map(([, method = '', path = '']) => ({
        method,
        path,
      })),
    ];
    const missing = called.filter(
      (one) => !routes.some(({ method, path }) => method === one.method && path.test(one.path)),
    );
    expect(missing).toEqual([]);
  });

  test.each(pages)('metrics of %s', (page) => {
    const exposed = exposedMetrics();
    const recorded = [...generatedFiles().values()].flatMap((text) =>
      [...text.matchAll(/record: (\S+)/g)].map(([, name]) => name),
    );
    const named = [
      ...codeOf(page).matchAll(
        /\b(?:(?:llm|http_request|process|weir|redis|pg|kube|node|container)_[a-z0-9_]+|weir:[\w:]+)\b/g,
      ),
    ].map(([name]) => name);
    const unknown = named
      // Parts of names in regular expressions, and functions of PostgreSQL.
      .filter(
        (name) =>
          !name.endsWith('_') &&
          !name.startsWith('pg_is_') &&
          !['pg_stat_activity', 'redis_url'].includes(name),
      )
      .filter((name) => !exposed.has(name) && !(name in EXPORTER_METRICS) && !recorded.includes(name));
    expect(unknown).toEqual([]);
  });

  test.each(pages)('error codes of %s', (page) => {
    const named = [
      ...codeOf(page).matchAll(
        /\b((?:upstream|gateway|model|quota|store|engine)_[a-z_]+|rate_limit_exceeded|deadline_exceeded)\b/g,
      ),
    ].map(([name]) => name);
    const errors = read('api.md');
    const others = ['upstream_ms', 'upstream_model', 'engine_ledger'];
    expect(named.filter((name) => !others.includes(name) && !errors.includes(`\`${name}\``))).toEqual([]);
  });
});
