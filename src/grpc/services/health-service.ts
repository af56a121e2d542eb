import { isRecord } from '../../core/json.ts';
import type { GrpcCall } from '../grpc-call.ts';
import { GrpcFailure } from '../grpc-failure.ts';

type ServingStatus = 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';

export interface HealthOptions {
  /** Full names. */
  readonly services: readonly string[];
  /** Whether the gateway takes requests. */
  readonly isReady: (call: GrpcCall) => Promise<boolean>;
}

/** `grpc.health.v1.Health`. Every service has the state of the gateway. Needs no key, as the health routes over HTTP. */
export class HealthService {
  /** One check for all watchers that ask at the same time. */
  #checking: Promise<boolean> | undefined;

  constructor(private readonly options: HealthOptions) {}

  /** @param name of the method */
  async call(call: GrpcCall, name: string): Promise<void> {
    const request = await call.request();
    const service = isRecord(request) && typeof request.service === 'string' ? request.service : '';
    if (name === 'Watch') {
      await this.#watch(call, service);
      return;
    }
    if (name === 'List') {
      const status = await this.#statusOf(call, '');
      const entries = ['', ...this.options.services].map((one) => [one, { status }]);
      call.send({ statuses: Object.fromEntries(entries) });
    } else {
      const status = await this.#statusOf(call, service);
      if (status === 'SERVICE_UNKNOWN') {
        throw GrpcFailure.simple('NOT_FOUND', 'not_found', `There is no service "${service.slice(0, 200)}".`);
      }
      call.send({ status });
    }
    call.finish();
  }

  async #statusOf(call: GrpcCall, service: string): Promise<ServingStatus> {
    return this.#knows(service) ? servingStatus(await this.options.isReady(call)) : 'SERVICE_UNKNOWN';
  }

  #knows(service: string): boolean {
    return service === '' || this.options.services.includes(service);
  }

  #isReadyForAll(call: GrpcCall): Promise<boolean> {
    this.#checking ??= this.options.isReady(call).finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  /** Sends the state now, and when it has changed. Runs until the client ends it. */
  async #watch(call: GrpcCall, service: string): Promise<void> {
    let sent: ServingStatus | undefined;
    let isAsking = false;
    const update = async () => {
      if (isAsking) return;
      isAsking = true;
      const isReady = await this.#isReadyForAll(call);
      isAsking = false;
      const status = this.#knows(service) ? servingStatus(isReady) : 'SERVICE_UNKNOWN';
      if (status === sent) return;
      sent = status;
      call.send({ status });
    };
    await update();
    call.onTick = () => void update().catch((error: unknown) => call.fail(call.failureOf(error)));
  }
}

const servingStatus = (isReady: boolean): ServingStatus => (isReady ? 'SERVING' : 'NOT_SERVING');
