import { useState } from 'react';
import { useHasPrice } from '../../lib/models.ts';
import { useSession } from '../../lib/session.tsx';
import { TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { useStoreItem } from '../models/store-item.tsx';

/**
 * Warns that a model costs nothing as far as the gateway knows, so that no budget ever ends, and takes its price.
 * @param provider that serves it, where it was added a moment ago
 */
export function PriceHint({
  tenant,
  model,
  provider,
}: {
  readonly tenant: string;
  readonly model: string;
  readonly provider: string | undefined;
}) {
  const { can } = useSession();
  const hasPrice = useHasPrice(tenant, model);
  const [input, setInput] = useState('');
  const [output, setOutput] = useState('');
  const { store, dialog } = useStoreItem('models', undefined);
  const form = useForm(async () => {
    await store(model, {
      targets: [{ provider, model }],
      price: { input: input.trim(), output: output.trim() },
    });
  }, ['price']);
  if (hasPrice !== false) return null;
  return (
    <div className="rounded border border-warn bg-warn-bg p-3 flex flex-col gap-2 max-w-xl">
      <p>
        No price is known for {model}: its requests are counted, but cost $0, and reach no budget in dollars.
      </p>
      {provider !== undefined && can('platform:write') ? (
        <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
          <div className="grid grid-cols-2 gap-2">
            <TextField
              label="Input ($ per million tokens)"
              inputMode="decimal"
              required
              placeholder="0.50"
              value={input}
              onChange={({ target }) => setInput(target.value)}
              error={form.errorOf('price')}
            />
            <TextField
              label="Output ($ per million tokens)"
              inputMode="decimal"
              required
              placeholder="1.50"
              value={output}
              onChange={({ target }) => setOutput(target.value)}
            />
          </div>
          <FormEnd state={form} action="Set the price" what="The price was not set" />
          {dialog}
        </form>
      ) : (
        <p className="text-muted">An operator sets it under Models, with the member price.</p>
      )}
    </div>
  );
}
