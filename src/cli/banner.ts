import type { Gateway } from '../app/gateway.ts';
import type { HttpServer } from '../server/http-server.ts';
import type { CreatedKey } from '../tenancy/keys.ts';
import { type Output, paint } from './output.ts';

type Address = Pick<HttpServer, 'host' | 'port' | 'secure'>;

export interface BannerInput {
  readonly gateway: Pick<Gateway, 'snapshot'> & {
    readonly createdAdminKey: Pick<CreatedKey, 'secret'> | undefined;
  };
  readonly servers: {
    readonly api: Address;
    readonly metrics: Address | undefined;
    readonly grpc?: Address | undefined;
  };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly file: string | null;
  readonly version: string;
  readonly output: Output;
}

/** An address that works from this machine: a wildcard address is for listening only. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::' || host === '') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}

/** Where a server is reachable from this machine. */
export function urlOf({ host, port, secure }: Address): string {
  return `${secure ? 'https' : 'http'}://${reachable(host)}:${port}`;
}

/** The target that clients of gRPC take. */
function grpcTarget({ host, port, secure }: Address): string {
  return `${reachable(host)}:${port} (${secure ? 'TLS' : 'plain text'})`;
}

/** Scripts of npm that start this process from a checkout. */
const NPM_SCRIPTS = ['start', 'weir'];

/** The `weir` command as its user called it: packages install it, and a checkout has it as a script. */
function commandOf({ npm_lifecycle_event: script = '' }: BannerInput['env']): string {
  if (NPM_SCRIPTS.includes(script)) return 'npm run weir --';
  return script === 'npx' ? 'npx weir' : 'weir';
}

/** The text that the start prints: addresses, the admin key, and a call that works unchanged. */
export function banner({ gateway, servers, env, file, version, output }: BannerInput): string {
  const base = urlOf(servers.api);
  const { config, providers, defaultModel, directory } = gateway.snapshot;
  const created = gateway.createdAdminKey?.secret;
  const fromEnvironment = Boolean(env.WEIR_ADMIN_KEY);
  const key = created ?? (fromEnvironment ? '$WEIR_ADMIN_KEY' : '$WEIR_API_KEY');
  const model = defaultModel ?? directory.list()[0]?.id ?? 'your-model';
  const lines = [
    '',
    `${paint(output, 'bold', `Weir ${version}`)} is ready.`,
    '',
    config.server.console ? `  Console    ${base}/console` : `  Status     ${base}`,
    `  API        ${base}/v1`,
    `  Docs       ${base}/docs`,
    `  Health     ${base}/health`,
    `  Metrics    ${servers.metrics ? urlOf(servers.metrics) : base}/metrics`,
    ...(servers.grpc ? [`  gRPC       ${grpcTarget(servers.grpc)}`] : []),
    `  Config     ${file ?? 'none (environment and defaults; create weir.yaml to change them)'}`,
    `  Providers  ${providers.map(({ id }) => id).join(', ')} (${directory.list().length} models)`,
  ];
  if (created !== undefined) {
    lines.push(
      '  Admin key  in the command below. It is shown only this once: save it. The console asks for it, too.',
      `             If it is lost: \`${commandOf(env)} keys create --admin\``,
    );
  } else if (fromEnvironment) {
    lines.push('  Admin key  the value of WEIR_ADMIN_KEY');
  } else {
    lines.push(
      `  Admin key  shown at the first start. If it is lost: \`${commandOf(env)} keys create --admin\``,
    );
  }
  lines.push(
    '',
    'Try it:',
    '',
    `  curl ${base}/v1/chat/completions -H "Authorization: Bearer ${created === undefined ? key : paint(output, 'bold', key)}" -H "Content-Type: application/json" -d '{"model":"${model}","messages":[{"role":"user","content":"Hello, who are you?"}]}'`,
    '',
  );
  return lines.join('\n');
}
