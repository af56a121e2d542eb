import type { ChatCall } from '../core/inference.ts';
import { RecentMap } from '../core/recent-map.ts';
import type { KeyScope } from './cache-key.ts';
import type { StorableCall } from './cacheable.ts';

/** Bodies whose keys are remembered, and the longest one, in UTF-16 units. */
const MAX_BODIES = 2_000;
const MAX_LENGTH = 8_192;

interface Known {
  readonly scope: KeyScope;
  readonly dialect: string;
  readonly model: string;
  readonly key: string;
}

/**
 * The keys of bodies that had a hit, by the bytes of the body: the same bytes in the same scope have the same key, which is
 * found without the canonical form and its hash.
 */
export class RecentKeys {
  readonly #known = new RecentMap<string, Known>(MAX_BODIES);

  /** @returns undefined for a body that is not remembered */
  find(call: StorableCall, scope: KeyScope): string | undefined {
    if (!isRemembered(call)) return undefined;
    const known = this.#known.get(call.text);
    if (!known || known.dialect !== call.dialect.name || known.model !== call.model) return undefined;
    const { tenant, namespace, route } = known.scope;
    return tenant === scope.tenant && namespace === scope.namespace && route === scope.route
      ? known.key
      : undefined;
  }

  /** Call after a hit. */
  remember(call: StorableCall, scope: KeyScope, key: string): void {
    if (!isRemembered(call)) return;
    this.#known.set(call.text, { scope, dialect: call.dialect.name, model: call.model, key });
  }
}

/** Chats whose text is all of their body: dialects that edit the text keep both the same. */
function isRemembered(call: StorableCall): call is ChatCall {
  return call.operation === 'chat' && call.dialect.edit !== undefined && call.text.length <= MAX_LENGTH;
}
