import { useState } from 'react';
import { ApiError, api } from '../../lib/api.ts';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { RelativeTime } from '../../ui/time.tsx';
import type { PromptContent } from './draft.ts';
import { type LoadedPrompt, promptsPath, type SavedPrompt } from './saved-prompts.ts';

const PARTS = ['model', 'messages', 'parameters', 'tools', 'schema'] as const;

/** Saves what the playground would send: as a new prompt, or as a version of the one that was loaded. */
export function SavePrompt({
  tenant,
  content,
  loaded,
  onSaved,
  onClose,
}: {
  readonly tenant: string;
  readonly content: PromptContent;
  readonly loaded: LoadedPrompt | undefined;
  readonly onSaved: (saved: LoadedPrompt) => void;
  readonly onClose: () => void;
}) {
  const [isNew, setNew] = useState(loaded === undefined);
  const [name, setName] = useState(loaded === undefined ? '' : `${loaded.prompt.name}, copy`);
  /** What someone else saved since the prompt was loaded. */
  const [newer, setNewer] = useState<LoadedPrompt>();
  const form = useForm(async () => {
    const path = promptsPath(tenant);
    if (isNew || loaded === undefined) {
      const { data, etag } = await api.request<SavedPrompt>('POST', path, { body: { name, ...content } });
      onSaved({ prompt: data, etag });
      return;
    }
    const own = `${path}/${loaded.prompt.id}`;
    try {
      const ifMatch = newer?.etag ?? loaded.etag;
      const { data, etag } = await api.request<SavedPrompt>('PATCH', own, { body: content, ifMatch });
      onSaved({ prompt: data, etag });
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 412) throw error;
      const { data, etag } = await api.request<SavedPrompt>('GET', own);
      setNewer({ prompt: data, etag });
    }
  }, ['name', 'messages']);
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title="Save the prompt"
      description={`For the people of ${tenant} who may send requests.`}
    >
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        {loaded && (
          <fieldset className="flex flex-col gap-1 border-0 p-0 m-0">
            <legend className="sr-only">Save as</legend>
            <label className="flex gap-2">
              <input type="radio" name="as" checked={!isNew} onChange={() => setNew(false)} />
              <span className="break-words min-w-0">
                Version {(newer ?? loaded).prompt.latest + 1} of {loaded.prompt.name}
              </span>
            </label>
            <label className="flex gap-2">
              <input type="radio" name="as" checked={isNew} onChange={() => setNew(true)} /> Another prompt
            </label>
          </fieldset>
        )}
        {isNew && (
          <TextField
            label="Name"
            required
            maxLength={100}
            placeholder="Refund reply"
            value={name}
            onChange={({ target }) => setName(target.value)}
            error={form.errorOf('name')}
          />
        )}
        {!isNew && newer && <Differences mine={content} theirs={newer.prompt} />}
        {form.errorOf('messages') && (
          <p role="alert" className="text-bad">
            {form.errorOf('messages')}
          </p>
        )}
        <FormEnd
          state={form}
          action={!isNew && newer ? 'Save over it' : 'Save'}
          onCancel={onClose}
          what="The prompt was not saved"
        />
      </form>
    </Dialog>
  );
}

/** What another person saved meanwhile, beside what would replace it; their version stays in the list. */
function Differences({ mine, theirs }: { readonly mine: PromptContent; readonly theirs: SavedPrompt }) {
  const [isShown, setShown] = useState(true);
  const changed = PARTS.filter((part) => JSON.stringify(mine[part]) !== JSON.stringify(theirs[part]));
  return (
    <div role="alert" className="rounded border border-warn bg-warn-bg p-3 flex flex-col gap-2">
      <p>
        {theirs.saved_by_name} saved version {theirs.latest} <RelativeTime at={theirs.updated_at} />, after
        you loaded it. Saving makes yours the latest; theirs stays among the versions.
      </p>
      <Button className="self-start" aria-expanded={isShown} onClick={() => setShown(!isShown)}>
        {isShown ? 'Hide the differences' : 'Show the differences'}
      </Button>
      {isShown &&
        (changed.length === 0 ? (
          <p>Both say the same: only the name changed.</p>
        ) : (
          changed.map((part) => (
            <div key={part} className="grid sm:grid-cols-2 gap-2">
              {[[`Theirs: ${part}`, theirs[part]] as const, [`Yours: ${part}`, mine[part]] as const].map(
                ([title, value]) => (
                  <figure key={title} className="min-w-0">
                    <figcaption>{title}</figcaption>
                    <pre
                      tabIndex={0}
                      className="font-mono overflow-auto max-h-40 rounded bg-panel text-text p-2 whitespace-pre-wrap break-words"
                    >
                      {JSON.stringify(value, undefined, 2)}
                    </pre>
                  </figure>
                ),
              )}
            </div>
          ))
        ))}
    </div>
  );
}
