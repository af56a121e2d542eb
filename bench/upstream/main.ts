/** The mock upstream as a process: prints `{"port":n}` and serves until its standard input ends. */
import { startUpstream } from './server.ts';

const upstream = startUpstream({
  hostname: process.env.BENCH_UPSTREAM_HOST ?? '127.0.0.1',
  port: Number(process.env.BENCH_UPSTREAM_PORT ?? 0),
  model: 'mock-model',
});
console.log(JSON.stringify({ port: upstream.port }));
process.stdin.on('end', () => process.exit(0)).resume();
