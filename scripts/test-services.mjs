// Finds the real services that tests use, and installs them from the system's packages where they are missing.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Debian keeps PostgreSQL's programs of each version in a folder of their own, off the PATH. */
const POSTGRES_ROOT = '/usr/lib/postgresql';

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // A file that is missing and one that may not be executed are equally unusable.
    return false;
  }
}

function find(name, more = []) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...more];
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

function postgresFolders() {
  if (!existsSync(POSTGRES_ROOT)) return [];
  const versions = readdirSync(POSTGRES_ROOT).sort((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(POSTGRES_ROOT, version, 'bin'));
}

/** False in `npm run test:unit`: tests that need a service skip themselves. */
export const servicesWanted = process.env.WEIR_TEST_SERVICES !== 'off';

/** Paths of the programs that were found; undefined for those that are missing or not wanted. */
export function findServices() {
  if (!servicesWanted) return {};
  const folders = postgresFolders();
  return {
    initdb: find('initdb', folders),
    postgres: find('postgres', folders),
    redis: find('redis-server') ?? find('valkey-server'),
    prometheus: find('prometheus'),
    promtool: find('promtool'),
    alertmanager: find('prometheus-alertmanager') ?? find('alertmanager'),
    amtool: find('amtool'),
    nginx: find('nginx', ['/usr/sbin', '/usr/local/sbin']),
    haproxy: find('haproxy', ['/usr/sbin', '/usr/local/sbin']),
    chromium: find('chromium') ?? find('chromium-browser') ?? find('google-chrome'),
  };
}

/** Installs missing services if this user may, and prints a notice about those that stay missing. */
export function ensureServices() {
  const wanted = [
    {
      name: 'PostgreSQL',
      packages: ['postgresql'],
      url: 'WEIR_TEST_POSTGRES_URL',
      present: ({ initdb, postgres }) => initdb !== undefined && postgres !== undefined,
    },
    {
      name: 'Redis',
      packages: ['redis-server'],
      url: 'WEIR_TEST_REDIS_URL',
      present: ({ redis }) => redis !== undefined,
    },
    {
      name: 'Prometheus',
      packages: ['prometheus'],
      present: ({ prometheus, promtool }) => prometheus !== undefined && promtool !== undefined,
    },
    {
      name: 'Alertmanager',
      packages: ['prometheus-alertmanager'],
      present: ({ alertmanager, amtool }) => alertmanager !== undefined && amtool !== undefined,
    },
    { name: 'nginx', packages: ['nginx-light'], present: ({ nginx }) => nginx !== undefined },
    { name: 'HAProxy', packages: ['haproxy'], present: ({ haproxy }) => haproxy !== undefined },
    {
      name: 'Chromium',
      packages: ['chromium'],
      present: ({ chromium }) => chromium !== undefined,
    },
  ].filter(({ url }) => url === undefined || !process.env[url]);
  const missing = () => wanted.filter(({ present }) => !present(findServices()));
  const lacking = missing();
  if (lacking.length === 0) return;
  const root = process.getuid?.() === 0;
  if (root && find('apt-get')) {
    console.log(`installing ${lacking.map(({ name }) => name).join(' and ')} for the tests ...`);
    const options = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
    spawnSync('apt-get', ['update'], options);
    const packages = lacking.flatMap(({ packages: names }) => names);
    spawnSync('apt-get', ['install', '-y', '--no-install-recommends', ...packages], options);
  }
  for (const { name, url } of missing()) {
    console.log(`\n!!! ${name} is missing and could not be installed: its tests are SKIPPED.`);
    console.log(
      `!!! Install it${url === undefined ? '' : `, or set ${url} to the URL of your own server`}.\n`,
    );
  }
}
