import { readFileSync } from 'node:fs';
import type { Config } from '../config/schema.ts';
import type { SecretReference, SecretScheme } from '../config/secret-reference.ts';
import type { Clock } from '../core/clock.ts';
import type { Transport } from '../core/transport.ts';
import { createUpstreamTransport } from '../platform/upstream-transport.ts';
import { SecretError, type SecretStore } from './secret-store.ts';
import { StoreClient } from './store-client.ts';
import { environmentStore, fileStore } from './stores/local-stores.ts';
import type { StoreTools } from './stores/tools.ts';

/** Connections to one store: references are read a few at a time. */
const CONNECTIONS = { maxConnections: 8, maxIdle: 2, idleTimeoutMs: 10_000 } as const;

export interface SecretStoresOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}

/** The stores of one `secrets` section, each made with the first reference to it. */
export class SecretStores {
  readonly #stores = new Map<SecretScheme, Promise<SecretStore>>();
  /** By the certificate authority's text; '' for those of the system. */
  readonly #clients = new Map<string, StoreClient>();
  readonly #transports: Transport[] = [];
  readonly #tools: StoreTools;

  constructor(
    private readonly settings: Config['secrets'],
    private readonly options: SecretStoresOptions,
  ) {
    const { env, clock } = options;
    this.#tools = {
      ...{ env, clock, transport: this.#transport('') },
      clientFor: (ca) => this.#client(ca === null ? '' : readAuthority(ca)),
    };
  }

  /** @throws SecretError when its scheme's store is not configured */
  async storeOf({ scheme }: SecretReference): Promise<SecretStore> {
    const known = this.#stores.get(scheme);
    if (known) return known;
    const made = this.#make(scheme);
    this.#stores.set(scheme, made);
    // What is missing may be there later, such as the file of a certificate authority.
    made.catch(() => this.#stores.delete(scheme));
    return made;
  }

  close(): void {
    for (const transport of this.#transports) transport.close();
  }

  /** Loads the module of a store only when it is used. */
  async #make(scheme: SecretScheme): Promise<SecretStore> {
    const { settings } = this;
    const tools = this.#tools;
    switch (scheme) {
      case 'file':
        return fileStore;
      case 'env':
        return environmentStore(this.options.env);
      case 'vault':
        return (await import('./stores/vault-store.ts')).createVaultStore(settings.vault, tools);
      case 'aws-sm':
        return (await import('./stores/aws-store.ts')).createAwsStore(settings.aws, tools);
      case 'gcp-sm':
        return (await import('./stores/gcp-store.ts')).createGcpStore(settings.gcp, tools);
      case 'azure-kv':
        return (await import('./stores/azure-store.ts')).createAzureStore(settings.azure, tools);
      case 'k8s':
        return (await import('./stores/kubernetes-store.ts')).createKubernetesStore(
          settings.kubernetes,
          tools,
        );
    }
  }

  #client(ca: string): StoreClient {
    let client = this.#clients.get(ca);
    if (!client) {
      client = new StoreClient(this.#transport(ca), this.settings.timeout);
      this.#clients.set(ca, client);
    }
    return client;
  }

  #transport(ca: string): Transport {
    const { env, clock } = this.options;
    const transport = createUpstreamTransport({
      ...{ env, clock },
      http1: {
        ...CONNECTIONS,
        connectTimeoutMs: this.settings.timeout,
        ...(ca === '' ? {} : { tls: { ca } }),
      },
    });
    this.#transports.push(transport);
    return transport;
  }
}

function readAuthority(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new SecretError(`the certificate authority "${path}" cannot be read`, false, { cause });
  }
}
