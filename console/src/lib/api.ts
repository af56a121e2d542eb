/** An error of the gateway, or of the way to it. */
export class ApiError extends Error {
  /**
   * @param status 0 when no response came
   * @param code such as `permission_denied`; `unreachable` when no response came
   * @param param the member of the request that is wrong, if one is
   */
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly param: string | undefined,
    readonly requestId: string | undefined,
  ) {
    super(message);
  }
}

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface Call {
  readonly query?: Query | undefined;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent instead of JSON. */
  readonly form?: FormData;
  /** `ETag` of the object as the user saw it; 412 when it has changed since. */
  readonly ifMatch?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

export interface Reply<T> {
  readonly data: T;
  readonly etag: string | undefined;
}

/** Their success says nothing of the session. */
const WITHOUT_SESSION: ReadonlySet<string> = new Set(['/v1/auth/providers']);

interface ClientState {
  /** The gateway responded to the last call. */
  readonly isReachable: boolean;
  /** It accepted the session. */
  readonly isSignedIn: boolean;
  /** Time of the first call without a response, in Unix milliseconds. */
  readonly unreachableSince: number | undefined;
}

type Listener = (state: ClientState) => void;

/** Calls the admin API of the gateway that served this page; the session is a cookie that scripts cannot read. */
export class ApiClient {
  readonly #listeners = new Set<Listener>();
  #state: ClientState = { isReachable: true, isSignedIn: true, unreachableSince: undefined };

  /** Whether the gateway responded to the last call, and accepted the session. */
  get state(): ClientState {
    return this.#state;
  }

  /** @returns removes the listener */
  onState(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get = async <T>(path: string, call: Call = {}): Promise<T> =>
    (await this.request<T>('GET', path, call)).data;
  post = async <T>(path: string, body?: unknown, call: Call = {}): Promise<T> =>
    (await this.request<T>('POST', path, { ...call, body })).data;
  put = async <T>(path: string, body: unknown, call: Call = {}): Promise<T> =>
    (await this.request<T>('PUT', path, { ...call, body })).data;
  patch = async <T>(path: string, body: unknown, call: Call = {}): Promise<T> =>
    (await this.request<T>('PATCH', path, { ...call, body })).data;
  delete = async <T>(path: string, call: Call = {}): Promise<T> =>
    (await this.request<T>('DELETE', path, call)).data;

  /** @throws ApiError */
  async request<T>(method: string, path: string, call: Call = {}): Promise<Reply<T>> {
    const response = await this.raw(method, path, call);
    const text = await response.text();
    const data = text === '' ? undefined : JSON.parse(text);
    return { data, etag: response.headers.get('etag') ?? undefined };
  }

  /** As `request`, for bodies that are no JSON. @throws ApiError */
  async raw(method: string, path: string, call: Call = {}): Promise<Response> {
    const { query, body, form, ifMatch, signal } = call;
    const headers = new Headers({ accept: 'application/json', ...call.headers });
    if (body !== undefined) headers.set('content-type', 'application/json');
    if (ifMatch !== undefined) headers.set('if-match', ifMatch);
    const init: RequestInit = { method, headers, credentials: 'same-origin' };
    if (body !== undefined) init.body = JSON.stringify(body);
    // The browser adds the type, with the boundary.
    if (form) init.body = form;
    if (signal) init.signal = signal;
    let response: Response;
    try {
      response = await fetch(urlOf(path, query), init);
    } catch (error) {
      if (signal?.aborted) throw error;
      this.#set({ isReachable: false });
      throw new ApiError(0, 'unreachable', 'The gateway does not respond.', undefined, undefined);
    }
    // A proxy in front responds for a gateway that is away; the gateway itself, for a provider that is.
    const isReachable =
      response.headers.has('x-request-id') || (response.status !== 502 && response.status !== 504);
    if (response.ok) {
      this.#set(WITHOUT_SESSION.has(path) ? { isReachable } : { isReachable, isSignedIn: true });
      return response;
    }
    const error = await errorOf(response);
    this.#set(response.status === 401 ? { isReachable, isSignedIn: false } : { isReachable });
    throw error;
  }

  #set(change: Partial<Pick<ClientState, 'isReachable' | 'isSignedIn'>>): void {
    const { isReachable } = change;
    const since = isReachable === false ? (this.#state.unreachableSince ?? Date.now()) : undefined;
    const unreachableSince = isReachable === undefined ? this.#state.unreachableSince : since;
    const next = { ...this.#state, ...change, unreachableSince };
    if (next.isReachable === this.#state.isReachable && next.isSignedIn === this.#state.isSignedIn) return;
    this.#state = next;
    for (const listener of this.#listeners) listener(next);
  }
}

export const api = new ApiClient();

/** @returns a path with its query; members without a value are left out */
export function urlOf(path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === '') continue;
    if (Array.isArray(value)) for (const one of value) params.append(name, one);
    else params.set(name, String(value));
  }
  const text = params.toString();
  return text === '' ? path : `${path}?${text}`;
}

/** @returns the path of one object. An id comes from a link: it must not reach another path. */
export const pathOf = (base: string, id: string): string =>
  `${base}/${/^\.{1,2}$/.test(id) ? '_' : encodeURIComponent(id)}`;

async function errorOf(response: Response): Promise<ApiError> {
  const requestId = response.headers.get('x-request-id') ?? undefined;
  const { status } = response;
  const fallback = new ApiError(
    status,
    'error',
    `The gateway responded with ${status}.`,
    undefined,
    requestId,
  );
  try {
    const body: unknown = await response.json();
    const error = memberOf(body, 'error');
    const message = memberOf(error, 'message');
    if (typeof message !== 'string') return fallback;
    const code = memberOf(error, 'code');
    const param = memberOf(error, 'param');
    return new ApiError(
      status,
      typeof code === 'string' ? code : 'error',
      message,
      typeof param === 'string' ? param : undefined,
      requestId,
    );
  } catch {
    // A page of a proxy, for instance: its status says all that is known.
    return fallback;
  }
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
