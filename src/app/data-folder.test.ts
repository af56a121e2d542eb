import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../config/load.ts';
import { CONFIG_CATALOG } from './config-catalog.ts';
import { DataFolderError, lockDataFolders } from './data-folder.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-data-folder-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(['file', 'file/below'])(
  'a data folder that cannot be created is named, with the reason: %s',
  async (name) => {
    writeFileSync(join(folder, 'file'), '');
    const path = join(folder, name);
    const { config } = loadConfig({
      env: { WEIR_DATA_DIR: path },
      cwd: folder,
      catalog: CONFIG_CATALOG,
    });
    const failure = lockDataFolders(config, '2026-01-01T00:00:00Z').catch((error: unknown) => error);
    expect(await failure).toBeInstanceOf(DataFolderError);
    expect(String(await failure)).toMatch(
      new RegExp(`^DataFolderError: The data folder ${path} cannot be written: .*file.*WEIR_DATA_DIR`),
    );
  },
);
