import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startGateway } from '../support/gateway.ts';

const main = join(import.meta.dirname, '..', '..', 'src/main.ts');

test('a defect that nothing catches is logged, and requests go on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-defect-'));
  const program = join(folder, 'main.ts');
  // The product's own program, with a signal on which code fails outside of any request's promise.
  writeFileSync(
    program,
    `process.on('SIGUSR2', () => {
      void Promise.reject(new Error('rejected on purpose'));
      setTimeout(() => { throw new Error('thrown on purpose'); }, 0);
    });
    await import(${JSON.stringify(pathToFileURL(main).href)});\n`,
  );
  const gateway = await startGateway({ program });
  try {
    gateway.signal('SIGUSR2');
    await gateway.waitForOutput(/thrown on purpose/);
    await gateway.waitForOutput(/rejected on purpose/);
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${gateway.adminKey}` },
      body: JSON.stringify({ model: 'simulator', messages: [{ role: 'user', content: 'Hi' }] }),
    });
    expect(response.status).toBe(200);
    const defects = gateway.logs().filter(({ msg }) => String(msg).startsWith('defect: '));
    expect(defects.map(({ level }) => level)).toEqual(['error', 'error']);
  } finally {
    await gateway.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
