/** Faults with an error status, and their errors. */
export const STATUS_FAULTS = {
  '400': error(400, 'invalid_request_error', 'invalid_value', 'The request is not valid.'),
  '401': error(401, 'invalid_request_error', 'invalid_api_key', 'Incorrect API key provided.'),
  '403': error(403, 'permission_error', 'permission_denied', 'You may not use this model.'),
  '404': error(404, 'invalid_request_error', 'model_not_found', 'The model does not exist.'),
  '408': error(408, 'timeout_error', 'request_timeout', 'The request took too long to arrive.'),
  '409': error(409, 'conflict_error', 'conflict', 'The request conflicts with another.'),
  '413': error(413, 'invalid_request_error', 'request_too_large', 'The request is too large.'),
  '422': error(422, 'invalid_request_error', 'unprocessable_entity', 'The request cannot be processed.'),
  '429': error(429, 'requests', 'rate_limit_exceeded', 'Rate limit reached. Try again later.'),
  '500': error(500, 'server_error', 'internal_error', 'The server had an error.'),
  '502': error(
    502,
    'server_error',
    'bad_gateway',
    'The server received an invalid response from another server.',
  ),
  '503': error(503, 'server_error', 'service_unavailable', 'The server is not available now.'),
  '529': error(529, 'overloaded_error', 'overloaded', 'The server is overloaded.'),
  context_length: error(
    400,
    'invalid_request_error',
    'context_length_exceeded',
    "The messages are longer than this model's maximum context length.",
  ),
  insufficient_quota: error(
    429,
    'insufficient_quota',
    'insufficient_quota',
    'You exceeded your current quota.',
  ),
} as const;

/** A fault with an error status. */
export type StatusFault = keyof typeof STATUS_FAULTS;

/** Every value of the `fault` option, with its documentation. */
export const FAULTS = {
  none: 'No fault; overrides one in the model name.',
  '400': 'Bad request.',
  '401': 'Bad API key.',
  '403': 'Not allowed.',
  '404': 'No such model.',
  '408': 'Request timeout.',
  '409': 'Conflict.',
  '413': 'Request too large.',
  '422': 'Cannot be processed.',
  '429': 'Rate limited, with `Retry-After`.',
  '500': 'Server error.',
  '502': 'Bad gateway.',
  '503': 'Not available.',
  '529': 'Overloaded.',
  context_length: 'A 400 with the code `context_length_exceeded`.',
  insufficient_quota: 'A 429 with the code `insufficient_quota`, which a retry cannot fix.',
  disconnect: 'The connection breaks before the response head.',
  hang: 'No response, until the client disconnects.',
  hang_mid: 'Some events (or half a body), then silence until the client disconnects.',
  cut: 'The connection breaks within the body: after some events, or half a body.',
  truncate: 'The body ends cleanly too soon: no finish reason, no `[DONE]`; without streaming, half a body.',
  malformed: 'One event of the stream is broken JSON; without streaming, the whole body is.',
  error_mid: 'Some events, then an error event and the end; without streaming, the error as a 200.',
  slow_body: 'The correct body in pieces of 7 bytes with a pause (`drip`) between them.',
  empty: 'A 200 with an empty body.',
  html: "A 200 with an HTML page, as a proxy's login page would be.",
  refusal: 'A refusal instead of content. Chat only.',
  content_filter: 'Half of the content, then `finish_reason` is `content_filter`. Chat and completions only.',
} as const satisfies Record<StatusFault, string> & Record<string, string>;

/** Name of a fault. */
export type FaultName = keyof typeof FAULTS;

/** All names of faults. */
export const FAULT_NAMES: readonly FaultName[] = Object.keys(FAULTS).filter(isFaultName);

/** @returns whether a fault is an error status */
export function isStatusFault(fault: FaultName): fault is StatusFault {
  return Object.hasOwn(STATUS_FAULTS, fault);
}

function isFaultName(name: string): name is FaultName {
  return Object.hasOwn(FAULTS, name);
}

function error(status: number, type: string, code: string, message: string) {
  return { status, type, code, message: `${message} (Simulated.)` };
}
