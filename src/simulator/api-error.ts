/** An error in OpenAI's form: `{"error":{"message","type","param","code"}}`. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly body: {
      readonly message: string;
      readonly type: string;
      readonly param: string | null;
      readonly code: string | null;
    },
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(body.message);
    this.name = 'ApiError';
  }
}

/** A 400 for a request that the simulator cannot accept. */
export function invalidRequest(message: string, param: string | null, code = 'invalid_value'): ApiError {
  return new ApiError(400, { message, type: 'invalid_request_error', param, code });
}

/** @returns the JSON text of an error */
export function errorBody(error: ApiError): string {
  return JSON.stringify({ error: error.body });
}
