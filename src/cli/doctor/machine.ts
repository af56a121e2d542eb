import { createServer } from 'node:net';
import { runningGateway } from '../../app/data-folder.ts';
import type { Config } from '../../config/schema.ts';
import { systemClock } from '../../core/clock.ts';
import { openFilesLimit } from '../../observability/process-stats.ts';
import { findProgram } from '../../platform/child-process.ts';
import { loadTlsFiles, type TlsPaths, validityProblem } from '../../server/tls-files.ts';
import { type Finding, messageOf } from './finding.ts';

/** Each stream uses a descriptor for the client and one for the upstream. */
const GOOD_FILE_LIMIT = 16_384;

function tryListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

/** The gateway that runs on this data folder has the ports of this configuration. */
export async function checkPorts(config: Config): Promise<Finding[]> {
  const { host, port, metrics_port, grpc_port } = config.server;
  const running = runningGateway(config);
  const findings: Finding[] = [];
  if (running) {
    const which = running.pid === undefined ? '' : ` as process ${running.pid}`;
    const url = running.url === undefined ? '' : ` at ${running.url}`;
    findings.push({ check: 'gateway', level: 'ok', message: `running${which}${url}` });
  }
  for (const [check, number, variable, level] of [
    ['port', port, 'SERVER_PORT', 'problem'],
    ['metrics port', metrics_port, 'METRICS_PORT', 'warning'],
    ['gRPC port', grpc_port, 'GRPC_PORT', 'problem'],
  ] as const) {
    if (number === null || number === 0) continue;
    const fault = await tryListen(host, number);
    if (fault === undefined) {
      findings.push({ check, level: 'ok', message: `${host}:${number} is free` });
    } else if (fault === 'EADDRINUSE' && running) {
      findings.push({ check, level: 'ok', message: `${host}:${number} is in use while Weir runs` });
    } else {
      findings.push({
        check,
        level,
        message: `${host}:${number} is unavailable (${fault})`,
        advice: `Another program uses this port, or a Weir with another data folder. Stop it, or set ${variable} to another port.`,
      });
    }
  }
  return findings;
}

/** A certificate that ends sooner should have been renewed by now. */
const RENEWAL_DAYS = 14;
const DAY_MS = 86_400_000;

export async function checkTls(paths: TlsPaths): Promise<Finding> {
  const check = 'tls';
  try {
    const credentials = await loadTlsFiles(paths);
    const { subject, validTo } = credentials;
    const problem = validityProblem(credentials, systemClock.wallTime());
    if (problem !== undefined) {
      return { check, level: 'warning', message: problem, advice: `Renew "${paths.cert}".` };
    }
    const days = Math.floor((validTo.getTime() - systemClock.wallTime()) / DAY_MS);
    const message = `${subject}, valid for ${days} more days`;
    return days >= RENEWAL_DAYS
      ? { check, level: 'ok', message }
      : { check, level: 'warning', message, advice: `Renew "${paths.cert}"; Weir reloads it.` };
  } catch (error) {
    return { check, level: 'problem', message: messageOf(error) };
  }
}

export function checkFileLimit(): Finding {
  const limit = openFilesLimit();
  const check = 'open files';
  if (limit === undefined) {
    return { check, level: 'not_checked', message: 'this system does not report the limit' };
  }
  if (limit >= GOOD_FILE_LIMIT) return { check, level: 'ok', message: `limit ${limit}` };
  return {
    check,
    level: 'warning',
    message: `limit ${limit}: enough for about ${Math.floor(limit / 2)} streams at once`,
    advice: `Raise it before the start: ulimit -n 65536 (systemd: LimitNOFILE=65536).`,
  };
}

/** The programs of engines on demand. They are not started. */
export function checkEngineCommands({ engines }: Config, searchPath: string | undefined): Finding[] {
  return engines.commands.map(({ id, command }) => {
    const [program = ''] = command;
    const found = findProgram(program, searchPath);
    return found === undefined
      ? {
          check: `engine ${id}`,
          level: 'problem',
          message: `program "${program}" not found`,
          advice: 'Install it, add its folder to PATH, or write its full path in engines.commands[].command.',
        }
      : { check: `engine ${id}`, level: 'ok', message: `${found}, started on demand` };
  });
}
