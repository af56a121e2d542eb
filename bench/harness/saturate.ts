import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Endpoint } from '../load/protocol.ts';
import { type Children, withDeadline } from './children.ts';

export interface Saturation {
  readonly completed: number;
  readonly requestsPerSecond: number;
  /** Answers other than 200, and broken connections. */
  readonly failed: number;
}

/** Sends requests as fast as they are answered, from outside this process. */
export interface SaturateTool {
  readonly name: string;
  run(to: Endpoint, body: string, connections: number, seconds: number): Promise<Saturation>;
}

const summary = z.object({ completed: z.number(), seconds: z.number(), failed: z.number() });

/** A Lua string with any bytes, as decimal escapes. */
function luaString(text: string): string {
  const escaped = [...new TextEncoder().encode(text)].map((byte) => `\\${String(byte).padStart(3, '0')}`);
  return `"${escaped.join('')}"`;
}

/** Script for wrk: what to send, and a summary in JSON as the last line of its output. */
export function wrkScript(headers: Readonly<Record<string, string>>, body: string): string {
  const all = Object.entries({ 'content-type': 'application/json', ...headers });
  return `
wrk.method = "POST"
wrk.body = ${luaString(body)}
${all.map(([name, value]) => `wrk.headers[${luaString(name)}] = ${luaString(value)}`).join('\n')}
function done(summary, latency, requests)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format('{"completed":%d,"seconds":%.6f,"failed":%d}\\n',
    summary.requests, summary.duration / 1000000, failed))
end
`;
}

const autocannonResult = z.object({
  '2xx': z.number(),
  non2xx: z.number(),
  errors: z.number(),
  duration: z.number(),
});

/** What autocannon prints with `--json`, in our words. */
export function autocannonSummary(text: string): z.infer<typeof summary> {
  const result = autocannonResult.parse(JSON.parse(text));
  return { completed: result['2xx'], seconds: result.duration, failed: result.non2xx + result.errors };
}

interface Invocation {
  readonly command: readonly [string, ...string[]];
  readonly parse: (output: string[]) => z.infer<typeof summary>;
}

function tool(
  children: Children,
  name: string,
  invocation: (to: Endpoint, body: string, connections: number, seconds: number) => Invocation,
): SaturateTool {
  return {
    name,
    async run(to, body, connections, seconds) {
      const { command, parse } = invocation(to, body, connections, seconds);
      const lines: string[] = [];
      const child = await children.start({ name, command, onLine: (line) => lines.push(line) });
      const how = await withDeadline(child.ended, (seconds + 30) * 1000, `${name} to end`);
      if (how !== 'exit code 0') throw new Error(`${name} failed (${how}): ${child.logTail()}`);
      const { completed, seconds: took, failed } = summary.parse(parse(lines));
      return { completed, requestsPerSecond: completed / took, failed };
    },
  };
}

const urlOf = (to: Endpoint) => `http://${to.hostname}:${to.port}${to.path}`;

export function wrkTool(children: Children, executable: string, temporary: string): SaturateTool {
  return tool(children, 'wrk', (to, body, connections, seconds) => {
    const script = join(temporary, 'wrk.lua');
    writeFileSync(script, wrkScript(to.headers, body));
    return {
      command: [executable, '-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, urlOf(to)],
      parse: (lines) => summary.parse(JSON.parse(lines.at(-1) ?? '')),
    };
  });
}

export function autocannonTool(
  children: Children,
  runtime: string,
  root: string,
  temporary: string,
): SaturateTool {
  return tool(children, 'autocannon', (to, body, connections, seconds) => {
    const bodyFile = join(temporary, 'autocannon-body.json');
    writeFileSync(bodyFile, body);
    const headers = Object.entries({ 'content-type': 'application/json', ...to.headers });
    return {
      command: [
        runtime,
        join(root, 'node_modules/autocannon/autocannon.js'),
        ...[
          '--connections',
          String(connections),
          '--duration',
          String(seconds),
          '--method',
          'POST',
          '--json',
        ],
        ...['--no-progress', '--input', bodyFile],
        ...headers.flatMap(([name, value]) => ['--headers', `${name}=${value}`]),
        urlOf(to),
      ],
      parse: (lines) => autocannonSummary(lines.join('\n')),
    };
  });
}

/** Version of autocannon as installed. */
export function autocannonVersion(root: string): string {
  const text = readFileSync(join(root, 'node_modules/autocannon/package.json'), 'utf8');
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}
