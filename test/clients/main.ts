/** `npm run clients`: SDKs and frameworks complete text, streams, tools, structured output and embeddings. */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRecord } from '../../src/core/json.ts';
import { refusedUrl } from '../support/mock-upstream.ts';
import { examplesOf } from '../support/page-examples.ts';
import { CheckTable } from '../support/real-clients/check-table.ts';
import { createScratch, isolatedEnvironment } from '../support/real-clients/isolated-program.ts';
import {
  findPython,
  InstallError,
  installNpmPackages,
  installPythonPackages,
} from '../support/real-clients/package-cache.ts';
import { startClientStage } from './stage.ts';

const here = import.meta.dirname;
const root = join(here, '../..');
const wanted = process.argv[2];
if (wanted !== undefined && !['js', 'python'].includes(wanted)) {
  console.error(`Unknown clients "${wanted}". Use one of: js, python.`);
  process.exit(2);
}

/** Checks that print their results as lines of JSON. */
interface Suite {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
}

const table = new CheckTable({ client: 40, upstream: 9, check: 24 });

/** Installs the JavaScript clients, copies the checks next to them, and checks their types. */
async function javascript(): Promise<Suite> {
  const packages = await installNpmPackages(join(here, 'js'));
  const folder = join(packages, 'checks');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const name of readdirSync(join(here, 'js')).filter((file) => /\.ts$|^tsconfig/.test(file))) {
    cpSync(join(here, 'js', name), join(folder, name));
  }
  const examples = examplesOf(root, 'docs/clients.md').filter(({ language }) => language === 'ts');
  for (const [at, { text }] of examples.entries()) writeFileSync(join(folder, `example-${at}.ts`), text);
  await table.check(['JavaScript clients', '', 'types'], async () => {
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const { status, stdout } = spawnSync(process.execPath, [compiler, '-p', folder], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stdout);
    return `with ${examples.length} examples of docs/clients.md`;
  });
  return { name: 'JavaScript', command: process.execPath, args: [join(folder, 'run.ts')], cwd: folder };
}

async function python(): Promise<Suite> {
  const interpreter = findPython();
  if (interpreter === undefined) throw new InstallError('there is no Python 3.10 or newer with venv');
  const bin = await installPythonPackages(join(here, 'python/requirements.txt'), interpreter);
  const cwd = join(here, 'python');
  return { name: 'Python', command: join(bin, 'python'), args: ['-B', join(cwd, 'run.py')], cwd };
}

/** Runs a suite, and adds each line of its output to the table. @returns the number of results */
async function runSuite(suite: Suite, env: Readonly<Record<string, string>>): Promise<number> {
  const child = spawn(suite.command, suite.args, { cwd: suite.cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let rest = '';
  let errors = '';
  let results = 0;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines.filter((one) => one.startsWith('{'))) {
      const result: unknown = JSON.parse(line);
      if (!isRecord(result)) continue;
      results += 1;
      const cells = [result.client, result.format, result.check].map(String);
      if (result.reason === undefined) table.add(cells, { passed: true });
      else table.add(cells, { passed: false, reason: String(result.reason).slice(0, 2_000) });
    }
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  if (code !== 0 || results === 0) {
    const reason = `the checks ended with code ${code} after ${results} results\n${errors.slice(-3_000)}`;
    table.add([`${suite.name} clients`, '', 'all'], { passed: false, reason });
  }
  return results;
}

const suites: Suite[] = [];
for (const [name, prepare] of Object.entries({ js: javascript, python })) {
  if (wanted !== undefined && wanted !== name) continue;
  try {
    suites.push(await prepare());
  } catch (error) {
    if (!(error instanceof InstallError)) throw error;
    table.add([`${name} clients`, '', 'all'], { skipped: true, reason: error.message });
  }
}

const stage = await startClientStage();
const scratch = createScratch();
try {
  const env = {
    ...isolatedEnvironment(scratch.home, await refusedUrl()),
    WEIR_CLIENT_SETTINGS: JSON.stringify(stage.settings),
  };
  for (const suite of suites) await runSuite(suite, env);
  await table.check(['all clients', 'all', 'vendors reject nothing'], async () => {
    const faults = stage.faults();
    if (faults.length > 0) throw new Error([...new Set(faults)].join('\n'));
    return undefined;
  });
} finally {
  scratch.remove();
  await stage.stop();
}
process.exit(table.end());
