import { duration, integer, nullable, size } from './fields.ts';

/** Keys of `limits` that the HTTP servers enforce on every connection, for all routes and before any key is checked. */
export const serverLimits = () => ({
  head_timeout: duration(1)
    .prefault('30s')
    .describe(
      'How long the head of a request may take to arrive. A new connection that sends nothing is closed after the same time.',
    ),
  body_timeout: duration(1)
    .prefault('5m')
    .describe('How long the body of a request may take to arrive. A late one gets a 408.'),
  min_rate: nullable(size())
    .prefault('500B')
    .describe(
      'The lowest rate, per second, at which a client must send a body and take a response that waits for it; null for any. A body that falls 20 seconds behind gets a 408.',
    ),
  write_idle: duration(1)
    .prefault('1m')
    .describe(
      'How long a client may take no byte of a response that waits for it, or fall behind `min_rate`, before it is disconnected.',
    ),
  max_connections: integer(1)
    .prefault(10_000)
    .describe(
      'Open connections of each port. At the limit, the connections that have been idle longest are closed for new ones; without idle ones, new ones get a 503. At most half of the open-files limit.',
    ),
  max_connections_per_ip: nullable(integer(1))
    .prefault(1_000)
    .describe(
      'Open connections of one client address to each port; null for no limit. An IPv6 /64 counts as one address. Does not apply to `server.trusted_proxies`.',
    ),
  grpc_streams: integer(1, 10_000)
    .prefault(100)
    .describe('Calls of one gRPC connection at the same time. Clients wait with more.'),
  grpc_frames: integer(100)
    .prefault(1_000)
    .describe(
      'Frames without data, such as PING and SETTINGS, that a gRPC connection may send ahead of its data; 50 more per second, and more with data. Beyond it the connection is closed.',
    ),
  grpc_idle: duration(1)
    .prefault('5m')
    .describe(
      'How long a gRPC connection may be open without a call, and a stream of requests without a message.',
    ),
  grpc_connection_age: nullable(duration(1)).describe(
    'After which time gRPC clients are asked to open another connection, so that they find new replicas behind a load balancer; null for never. Calls in flight end first.',
  ),
  request_memory: size()
    .prefault('256MB')
    .describe(
      'Memory for the bodies of all requests that run; beyond it requests get a 503. Responses that wait for slow clients may take the same amount, those of one tenant half of it; beyond it the clients that have stalled longest are disconnected.',
    ),
});
