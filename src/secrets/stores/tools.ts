import type { Clock } from '../../core/clock.ts';
import type { Transport } from '../../core/transport.ts';
import type { StoreClient } from '../store-client.ts';

/** What stores are made with. */
export interface StoreTools {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Pick<Clock, 'now' | 'wallTime'>;
  /** Connections to servers with certificates of the system's authorities. */
  readonly transport: Transport;
  /**
   * @param ca a PEM file with the certificate authority of the server, which may change; null for those of the system
   * @throws SecretError for a file that cannot be read
   */
  readonly clientFor: (ca: string | null) => StoreClient;
}
