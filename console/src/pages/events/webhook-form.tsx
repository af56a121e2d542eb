import { useState } from 'react';
import { api, type Reply } from '../../lib/api.ts';
import { count } from '../../lib/format.ts';
import { useSave } from '../../lib/save.tsx';
import { useUnsaved } from '../../lib/unsaved.tsx';
import { patternsOf, selectedTypes, type Webhook } from '../../lib/webhooks.ts';
import { Button } from '../../ui/button.tsx';
import { SecretOnce } from '../../ui/copy.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { TextArea, TextField } from '../../ui/field.tsx';
import { FormEnd, type FormState, useForm } from '../../ui/form.tsx';
import { Panel } from '../../ui/page.tsx';
import { useEventTypes } from './event-log.tsx';

interface Draft {
  readonly url: string;
  readonly description: string;
  /** Patterns, as they are typed. */
  readonly events: string;
}

const FIELDS = ['url', 'events', 'description'];
const bodyOf = ({ url, description, events }: Pick<Webhook, 'url' | 'description' | 'events'>) => ({
  ...{ url, description, events },
});
const draftOf = ({ url, description, events }: Webhook): Draft => ({
  ...{ url, description, events: events.join(', ') },
});
const wantedOf = (draft: Draft) => bodyOf({ ...draft, events: patternsOf(draft.events) });

/** Creates a webhook and shows its secret. */
export function CreateWebhook({
  path,
  onClose,
}: {
  readonly path: string;
  /** @param id of the webhook, where one was created */
  readonly onClose: (id?: string) => void;
}) {
  const [draft, setDraft] = useState<Draft>({ url: '', description: '', events: '' });
  const [created, setCreated] = useState<Webhook & { readonly secret: string }>();
  const form = useForm(async () => setCreated(await api.post(path, wantedOf(draft))), FIELDS);
  if (created) {
    return (
      <Dialog isOpen onClose={() => onClose(created.id)} title="The webhook is ready">
        <div className="flex flex-col gap-3">
          <SecretOnce secret={created.secret} what="the secret" />
          <p>
            The receiver verifies signatures with it: a library of Standard Webhooks does. Send a test event
            next.
          </p>
          <Button variant="primary" className="self-end" onClick={() => onClose(created.id)}>
            Done
          </Button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog
      isOpen
      onClose={() => onClose()}
      title="Create a webhook"
      description="Weir sends events to its URL, signed, and at least once."
    >
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <Fields draft={draft} onChange={setDraft} form={form} />
        <FormEnd state={form} action="Create" onCancel={() => onClose()} what="The webhook was not created" />
      </form>
    </Dialog>
  );
}

/** Changes a webhook. */
export function WebhookForm({ path, base }: { readonly path: string; readonly base: Reply<Webhook> }) {
  // Later versions are for the next time: they must not replace what is being typed.
  const [first] = useState(base);
  const [draft, setDraft] = useState(() => draftOf(first.data));
  const unsaved = useUnsaved();
  const { save, dialog } = useSave<Webhook>({ method: 'PATCH', bodyOf });
  const form = useForm(async () => {
    setDraft(draftOf(await save(path, first, wantedOf(draft))));
    unsaved.saved();
  }, FIELDS);
  return (
    <Panel title="What it receives">
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <Fields
          draft={draft}
          onChange={(changed) => {
            setDraft(changed);
            unsaved.touch();
          }}
          form={form}
        />
        <FormEnd state={form} action="Save" what="The webhook was not changed" />
      </form>
      {dialog}
    </Panel>
  );
}

function Fields({
  draft,
  onChange,
  form,
}: {
  readonly draft: Draft;
  readonly onChange: (draft: Draft) => void;
  readonly form: FormState;
}) {
  const { data: types = [] } = useEventTypes();
  const names = types.map(({ type }) => type);
  const patterns = patternsOf(draft.events);
  const selected = selectedTypes(patterns, names);
  const groups = [...new Set(names.map((name) => `${name.split('.')[0]}.*`))];
  const toggle = (group: string) => {
    const kept = patterns.filter((one) => one !== group);
    onChange({
      ...draft,
      events: (kept.length < patterns.length ? kept : [...patterns, group]).join(', '),
    });
  };
  return (
    <>
      <TextField
        label="URL"
        type="url"
        required
        maxLength={2_000}
        placeholder="https://hooks.example.com/weir"
        value={draft.url}
        onChange={({ target }) => onChange({ ...draft, url: target.value })}
        error={form.errorOf('url')}
      />
      <TextArea
        label="Events"
        required
        className="font-mono min-h-16"
        placeholder="budget.*, api_key.revoked"
        hint={`Types and patterns, separated by commas; * stands for any characters. ${
          patterns.length === 0
            ? ''
            : `They select ${count(selected.length, 'type')}: ${selected.join(', ') || 'none'}.`
        }`}
        value={draft.events}
        onChange={({ target }) => onChange({ ...draft, events: target.value })}
        error={form.errorOf('events')}
      />
      <fieldset className="flex flex-wrap gap-1">
        <legend className="sr-only">Groups of events</legend>
        {['*', ...groups].map((group) => (
          <Button
            key={group}
            className="h-6 px-1.5 font-mono aria-pressed:bg-raised aria-pressed:border-accent"
            aria-pressed={patterns.includes(group)}
            onClick={() => toggle(group)}
          >
            {group}
          </Button>
        ))}
      </fieldset>
      <TextField
        label="Description"
        maxLength={500}
        value={draft.description}
        onChange={({ target }) => onChange({ ...draft, description: target.value })}
        error={form.errorOf('description')}
      />
    </>
  );
}
