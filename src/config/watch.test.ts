import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadText } from '../../test/support/config-source.ts';
import { testCatalog as catalog } from '../../test/support/provider-catalog.ts';
import type { Clock } from '../core/clock.ts';
import { type LoadedConfig, loadConfig } from './load.ts';
import { type ConfigWatch, type WatchOptions, watchConfig } from './watch.ts';

const file = '/etc/weir/weir.yaml';
const parsed = (text: string): LoadedConfig => ({ ...loadText(text), file });

/** A watch whose file, directory and time the test holds. */
class Bench {
  text: string | null = 'server: { port: 1 }';
  readonly changes: number[] = [];
  readonly triggers: string[] = [];
  readonly faults: string[] = [];
  readonly directories = new Map<string, (name: string | null) => void>();
  onChange: WatchOptions['onChange'] = () => undefined;
  hasOtherChanges = false;
  readonly watch: ConfigWatch;
  readonly #sleepers = new Set<() => void>();

  constructor() {
    const clock: Clock = {
      now: () => 0,
      wallTime: () => 0,
      sleep: (_ms, signal) =>
        new Promise((resolve, reject) => {
          this.#sleepers.add(resolve);
          signal?.addEventListener('abort', () => {
            this.#sleepers.delete(resolve);
            reject(signal.reason);
          });
        }),
    };
    this.watch = watchConfig({
      file,
      current: parsed('server: { port: 1 }'),
      load: () => (this.text === null ? { ...loadText(''), file: null } : parsed(this.text)),
      onChange: async (next, trigger) => {
        this.triggers.push(trigger);
        await this.onChange(next, trigger);
        this.changes.push(next.config.server.port);
      },
      onRejected: (error) => this.faults.push(error.message),
      hasOtherChanges: () => this.hasOtherChanges,
      debounceMs: 100,
      clock,
      watchDirectory: (directory, onEvent) => {
        this.directories.set(directory, onEvent);
        return { close: () => this.directories.delete(directory) };
      },
    });
  }

  get waiting(): number {
    return this.#sleepers.size;
  }

  event(name: string | null): void {
    this.directories.get('/etc/weir')?.(name);
  }

  /** Lets the debounce time pass, and what follows from it happen. */
  async settle(): Promise<void> {
    for (const wake of this.#sleepers) wake();
    this.#sleepers.clear();
    // Long enough for the chain of promises from the clock to the callbacks; nothing in it waits for I/O.
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  }
}

describe('watchConfig', () => {
  test('a changed file is loaded once for many events', async () => {
    const bench = new Bench();
    await bench.settle();
    bench.text = 'server: { port: 2 }';
    for (const name of ['weir.yaml', 'weir.yaml', '..data', null]) bench.event(name);
    expect(bench.waiting).toBe(1);
    await bench.settle();
    expect(bench.changes).toEqual([2]);
  });

  test('a change before the watch began is found', async () => {
    const bench = new Bench();
    bench.text = 'server: { port: 2 }';
    await bench.settle();
    expect(bench.changes).toEqual([2]);
  });

  test('a notice of another gateway reads the file, and says so', async () => {
    const bench = new Bench();
    await bench.settle();
    expect(await bench.watch.check()).toBe('unchanged');
    bench.text = 'server: { port: 2 }';
    expect(await bench.watch.check()).toBe('changed');
    bench.text = 'server: { port: 3 }';
    expect(await bench.watch.reload()).toBe('changed');
    bench.text = 'server: { port: 4 }';
    bench.event('weir.yaml');
    await bench.settle();
    expect(bench.triggers).toEqual(['notice', 'signal', 'file']);
  });

  test('a signal or a notice activates the same file again where what it names has changed', async () => {
    const bench = new Bench();
    await bench.settle();
    bench.hasOtherChanges = true;
    bench.event('weir.yaml');
    await bench.settle();
    expect(bench.triggers).toEqual([]);
    expect(await bench.watch.reload()).toBe('changed');
    expect(await bench.watch.check()).toBe('changed');
    bench.hasOtherChanges = false;
    expect(await bench.watch.reload()).toBe('unchanged');
    expect(bench.triggers).toEqual(['signal', 'notice']);
  });

  test('other files and changes of layout do nothing', async () => {
    const bench = new Bench();
    await bench.settle();
    bench.event('weir.yaml.swp');
    expect(bench.waiting).toBe(0);
    bench.text = '# the same\nserver:\n  port: 1\n';
    bench.event('weir.yaml');
    await bench.settle();
    expect(await bench.watch.reload()).toBe('unchanged');
    expect(bench.changes).toEqual([]);
  });

  test('a bad file is rejected once, and the next good one taken', async () => {
    const bench = new Bench();
    await bench.settle();
    bench.text = 'server: { port: x }';
    for (const _ of [1, 2]) {
      bench.event('weir.yaml');
      await bench.settle();
    }
    expect(bench.faults).toEqual([expect.stringContaining('weir.yaml:1:17  server.port: expected a number')]);
    expect(await bench.watch.reload()).toBe('rejected');
    expect(bench.faults).toHaveLength(2);
    bench.text = 'server: { port: 3 }';
    bench.event('weir.yaml');
    await bench.settle();
    expect(bench.changes).toEqual([3]);
  });

  test('a file that is gone does not put the defaults in its place', async () => {
    const bench = new Bench();
    bench.text = null;
    expect(await bench.watch.reload()).toBe('rejected');
    expect(bench.faults).toEqual([
      expect.stringContaining('was removed; the last configuration stays active'),
    ]);
    expect(bench.changes).toEqual([]);
  });

  test('a configuration that cannot be put to work is tried again', async () => {
    const bench = new Bench();
    bench.text = 'server: { port: 2 }';
    bench.onChange = () => Promise.reject(new Error('no such thing'));
    expect(await bench.watch.reload()).toBe('rejected');
    expect(bench.faults).toEqual(['no such thing']);
    bench.onChange = () => undefined;
    expect(await bench.watch.reload()).toBe('changed');
    expect(bench.changes).toEqual([2]);
  });

  test('one change at a time', async () => {
    const bench = new Bench();
    let finish = (): void => undefined;
    bench.onChange = () => new Promise((resolve) => (finish = resolve));
    bench.text = 'server: { port: 2 }';
    const first = bench.watch.reload();
    const second = bench.watch.reload();
    await bench.settle();
    bench.text = 'server: { port: 3 }';
    bench.onChange = () => undefined;
    finish();
    expect([await first, await second]).toEqual(['changed', 'changed']);
    expect(bench.changes).toEqual([2, 3]);
  });

  test('nothing happens after close', async () => {
    const bench = new Bench();
    bench.text = 'server: { port: 2 }';
    bench.watch.close();
    await bench.settle();
    expect(await bench.watch.reload()).toBe('unchanged');
    expect([bench.changes, [...bench.directories]]).toEqual([[], []]);
  });
});

describe('watchConfig on a real directory', () => {
  let cwd = '';
  beforeEach(() => {
    cwd = realpathSync(mkdtempSync(join(tmpdir(), 'weir-watch-')));
  });
  afterEach(() => rmSync(cwd, { recursive: true }));

  /** Resolves with the port of the first change, however long the system takes to say so. */
  async function portAfter(change: () => void): Promise<number> {
    const load = (): LoadedConfig => loadConfig({ env: {}, cwd, catalog });
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const watch = watchConfig({
      file: join(cwd, 'weir.yaml'),
      current: load(),
      load,
      onChange: (next) => resolve(next.config.server.port),
      onRejected: reject,
      debounceMs: 10,
    });
    // Past the look at the start, so that only the system can tell.
    expect(await watch.reload()).toBe('unchanged');
    change();
    return promise.finally(() => watch.close());
  }

  test('an editor that puts a new file in place', async () => {
    writeFileSync(join(cwd, 'weir.yaml'), 'server: { port: 1 }');
    const port = portAfter(() => {
      writeFileSync(join(cwd, 'new'), 'server: { port: 2 }');
      renameSync(join(cwd, 'new'), join(cwd, 'weir.yaml'));
    });
    expect(await port).toBe(2);
  });

  test('a Kubernetes volume that swaps its link', async () => {
    for (const version of [1, 2]) {
      mkdirSync(join(cwd, `..v${version}`));
      writeFileSync(join(cwd, `..v${version}`, 'weir.yaml'), `server: { port: ${version} }`);
    }
    symlinkSync('..v1', join(cwd, '..data'));
    symlinkSync(join('..data', 'weir.yaml'), join(cwd, 'weir.yaml'));
    const port = portAfter(() => {
      symlinkSync('..v2', join(cwd, '..data_tmp'));
      renameSync(join(cwd, '..data_tmp'), join(cwd, '..data'));
    });
    expect(await port).toBe(2);
  });
});
