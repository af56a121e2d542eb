import { useCallback, useState } from 'react';
import { api, type Reply } from '../../lib/api.ts';
import { Cancelled, useSave } from '../../lib/save.tsx';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { ChangeTable } from './change-table.tsx';
import { bodyOf, type ConfigDocument, type ConfigItem, type ConfigSection } from './config-item.ts';
import { ImpactText } from './impact.tsx';

interface Review {
  readonly id: string;
  readonly before: ConfigDocument;
  readonly after: ConfigDocument;
  /** Another caller has added an item with the id that the form was to add. */
  readonly isTaken: boolean;
  readonly decide: (isApplied: boolean) => void;
}

/** An item that nobody has added yet has the version 0. */
const NOTHING: Reply<ConfigItem> = {
  data: {
    ...{ id: '', source: 'admin', replaces_file: false, removed: false, document: null },
    ...{ version: 0, updated_at: null },
  },
  etag: '"0"',
};

/** @returns the item with an id that was to be new; it is looked for in the list, where its absence is no error */
async function readPresent(section: ConfigSection, id: string): Promise<Reply<ConfigItem> | undefined> {
  const { data } = await api.get<{ data: readonly ConfigItem[] }>(`/admin/v1/${section}`);
  const item = data.find((one) => one.id === id);
  return item && { data: item, etag: `"${item.version}"` };
}

/**
 * Stores a provider or model, after it has shown what changes and what that affects. New ones are stored at once.
 * @param base the item as it was read; undefined for a new one
 */
export function useStoreItem(section: ConfigSection, base: Reply<ConfigItem> | undefined) {
  const [review, setReview] = useState<Review>();
  const { save, dialog } = useSave<ConfigItem>({ method: 'PUT', bodyOf });
  const ask = useCallback(
    (question: Omit<Review, 'decide'>) =>
      new Promise<boolean>((decide) => setReview({ ...question, decide })).finally(() =>
        setReview(undefined),
      ),
    [],
  );
  const store = async (id: string, after: ConfigDocument): Promise<void> => {
    const path = `/admin/v1/${section}/${encodeURIComponent(id)}`;
    // The API checks the change first, so that nobody reviews one that it rejects.
    await api.put(path, after, { query: { dry_run: true } });
    const present = base ?? (await readPresent(section, id));
    if (present && !present.data.removed) {
      const question = { id, before: bodyOf(present.data), after, isTaken: base === undefined };
      if (!(await ask(question))) throw new Cancelled();
    }
    await save(path, present ?? NOTHING, after);
  };
  return {
    store,
    dialog: (
      <>
        {review && <ReviewDialog section={section} {...review} />}
        {dialog}
      </>
    ),
  };
}

function ReviewDialog({
  section,
  id,
  before,
  after,
  isTaken,
  decide,
}: Review & { readonly section: ConfigSection }) {
  const word = section === 'providers' ? 'provider' : 'model';
  return (
    <Dialog
      isOpen
      isWide
      onClose={() => decide(false)}
      title={isTaken ? `There is a ${word} ${id} already` : `Change the ${word} ${id}`}
      description="Active at once, on every gateway. Requests that are running end with the old settings."
    >
      <div className="flex flex-col gap-3">
        <ChangeTable before={before} after={after} />
        <ImpactText section={section} id={id} />
        <p className="text-muted">Settings, Changes can take it back.</p>
        <div className="flex justify-end gap-2">
          <Button onClick={() => decide(false)}>Go back</Button>
          <Button variant="primary" onClick={() => decide(true)}>
            {isTaken ? 'Replace' : 'Apply'}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
