import type { Stores } from '../../app/stores.ts';
import type { ChangeContext } from '../../tenancy/change-context.ts';
import { ConfigItems } from '../../tenancy/config-items.ts';
import { holderOfUser } from '../../tenancy/sessions.ts';
import { BY_OPERATOR } from '../operator.ts';

const AGENTS = [
  'Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 19_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.2 Mobile/15E148 Safari/604.1',
] as const;
/** Addresses that are reserved for documentation. */
const ADDRESSES = ['192.0.2.17', '198.51.100.40'] as const;

/** Signs a person in on two devices. */
export async function signInTwice({ sessions }: Stores, user: string, name: string): Promise<void> {
  const actor = { id: `user:${user}`, name, platform: false, roles: new Map(), member: undefined };
  for (const [index, agent] of AGENTS.entries()) {
    const by: ChangeContext = { actor, address: ADDRESSES[index] ?? '', requestId: '' };
    await sessions.begin(holderOfUser(user), 'password', agent, by);
  }
}

/** Adds a model, changes it and removes it, so that the console has changes to show and to take back. */
export async function changeModels({ control, configBox, sources }: Stores): Promise<void> {
  const items = new ConfigItems(control, configBox, sources);
  const item = { section: 'models', id: 'assistant-trial' };
  const targets = ['east', 'west'].map((provider) => ({ provider, model: 'simulator-large' }));
  const first = { id: item.id, targets: targets.slice(0, 1), price: { input: '3', output: '15' } };
  const second = { ...first, targets, strategy: 'lowest-cost' };
  for (const document of [first, second, undefined]) {
    await items.change(item, document, undefined, BY_OPERATOR);
  }
}
