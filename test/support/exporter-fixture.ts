import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, 'fixtures/exporters');
/** Counters; PostgreSQL's exporter names some of them without the suffix. */
const COUNTER = /^\w+(_total|_xact_commit|_xact_rollback)\b/;

/** Where gateways look for the health and the metrics of an engine. */
const ENGINE_PATHS: ReadonlySet<string> = new Set(['/health', '/metrics']);

export interface ExporterFixture {
  /** Without a slash at the end; the page of an exporter is `/<exporter>/metrics`, and `/metrics` that of an engine. */
  readonly url: string;
  readonly exporters: readonly string[];
  /** Replaces the value of each series that begins with the text; null takes the replacement away. */
  set(series: string, value: number | null): void;
  /** How much each counter that begins with the text rises in a second; 1 at first. */
  setRate(series: string, perSecond: number): void;
  close(): Promise<void>;
}

/** Serves recorded pages of exporters (fixtures/exporters), with counters that rise. */
export async function startExporterFixture(now = () => performance.now() / 1000): Promise<ExporterFixture> {
  const pages = new Map(
    readdirSync(FOLDER).map((file) => {
      const lines = readFileSync(join(FOLDER, file), 'utf8').trim().split('\n');
      const series = lines.map((line) => {
        const at = line.lastIndexOf(' ');
        return { name: line.slice(0, at), base: Number(line.slice(at + 1)), perSecond: 1 };
      });
      return [file.replace('.prom', ''), series] as const;
    }),
  );
  const values = new Map<string, number>();
  let advancedAt = now();

  /** Counters rise by their rate since the last page; a counter never falls when its rate changes. */
  const advance = () => {
    const seconds = now() - advancedAt;
    advancedAt += seconds;
    for (const series of pages.values()) {
      for (const one of series) if (COUNTER.test(one.name)) one.base += seconds * one.perSecond;
    }
  };
  const currentValue = (name: string, base: number) =>
    [...values].find(([prefix]) => name.startsWith(prefix))?.[1] ?? base;

  const server = createServer((request, response) => {
    const path = request.url ?? '';
    const page = pages.get(ENGINE_PATHS.has(path) ? 'vllm' : (path.split('/')[1] ?? ''));
    if (!page) {
      response.writeHead(404).end();
      return;
    }
    advance();
    response.setHeader('content-type', 'text/plain; version=0.0.4');
    response.end(page.map(({ name, base }) => `${name} ${currentValue(name, base)}\n`).join(''));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    exporters: [...pages.keys()],
    set: (series, value) => {
      if (value === null) values.delete(series);
      else values.set(series, value);
    },
    setRate: (series, perSecond) => {
      advance();
      for (const page of pages.values()) {
        for (const one of page) if (one.name.startsWith(series)) one.perSecond = perSecond;
      }
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
