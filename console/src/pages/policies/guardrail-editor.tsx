import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, type Reply } from '../../lib/api.ts';
import type { Document } from '../../lib/merge.ts';
import { Cancelled, useSave } from '../../lib/save.tsx';
import { useUnsaved } from '../../lib/unsaved.tsx';
import { ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { TextArea } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { Panel } from '../../ui/page.tsx';

interface WithGuardrails {
  readonly guardrails: readonly Document[];
}

const EXAMPLE = '[{ "id": "pii", "kind": "pii", "action": "redact" }]';

/** Changes the guardrails of a tenant, as the configuration would have them. */
export function GuardrailEditor({ tenant }: { readonly tenant: string }) {
  const path = `/admin/v1/tenants/${tenant}`;
  const { data, error, refetch } = useQuery({
    queryKey: ['versioned', path],
    queryFn: ({ signal }) => api.request<WithGuardrails>('GET', path, { signal }),
  });
  if (error) {
    return <ErrorPanel what="The guardrails could not be read" error={error} retry={() => void refetch()} />;
  }
  return data ? <Editor key={path} path={path} base={data} /> : <Skeleton className="h-40" />;
}

const bodyOf = ({ guardrails }: WithGuardrails) => ({ guardrails });
const textOf = ({ guardrails }: WithGuardrails) =>
  guardrails.length === 0 ? '' : JSON.stringify(guardrails, undefined, 2);

function Editor({ path, base }: { readonly path: string; readonly base: Reply<WithGuardrails> }) {
  // Later versions are for the next time: they must not replace what is being typed.
  const [first] = useState(base);
  const [text, setText] = useState(() => textOf(first.data));
  const [notJson, setNotJson] = useState<string>();
  const [isStored, setStored] = useState(false);
  const unsaved = useUnsaved();
  const { save, dialog } = useSave<WithGuardrails>({ method: 'PATCH', bodyOf });
  const form = useForm(async () => {
    setNotJson(undefined);
    let guardrails: unknown;
    try {
      guardrails = text.trim() === '' ? [] : JSON.parse(text);
    } catch (error) {
      setNotJson(error instanceof Error ? error.message : 'must be JSON');
      throw new Cancelled();
    }
    setText(textOf(await save(path, first, { guardrails })));
    unsaved.saved();
    setStored(true);
  }, ['guardrails']);
  return (
    <Panel title="Change those of the tenant">
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <TextArea
          label="Guardrails of the tenant (JSON)"
          className="font-mono min-h-32"
          spellCheck={false}
          placeholder={EXAMPLE}
          hint="A list, as in the configuration file. Empty: none. They hold for the next request; try them below first."
          value={text}
          onChange={({ target }) => {
            setText(target.value);
            setStored(false);
            unsaved.touch();
          }}
          error={notJson ?? form.errorOf('guardrails')}
        />
        <p role="status">{isStored && 'The guardrails are stored.'}</p>
        <FormEnd state={form} action="Save" what="The guardrails were not changed" />
      </form>
      {dialog}
    </Panel>
  );
}
