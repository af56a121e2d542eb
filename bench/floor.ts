/**
 * The floor: the least that a gateway on this runtime can do and still be one. It buffers the request, forwards it and
 * streams the answer back; it checks nothing, counts nothing and logs nothing. Everything a gateway adds is measured
 * against it.
 */
const upstream = process.env.BENCH_UPSTREAM_URL ?? '';

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  idleTimeout: 0,
  async fetch(request) {
    const { pathname } = new URL(request.url);
    const answer = await fetch(upstream + pathname, {
      method: request.method,
      headers: {
        'content-type': request.headers.get('content-type') ?? 'application/json',
        authorization: request.headers.get('authorization') ?? '',
      },
      body: request.method === 'POST' ? await request.arrayBuffer() : null,
      signal: request.signal,
    });
    return new Response(answer.body, {
      status: answer.status,
      headers: { 'content-type': answer.headers.get('content-type') ?? 'application/json' },
    });
  },
});
const metricsPort = process.env.BENCH_METRICS_PORT;
if (metricsPort !== undefined) {
  void import('./harness/event-loop-server.ts').then(({ serveEventLoop }) =>
    serveEventLoop(Number(metricsPort)),
  );
}
console.log(JSON.stringify({ port: server.port }));
process.stdin.on('end', () => process.exit(0)).resume();
