import { useState } from 'react';
import { bytes } from '../../lib/format.ts';
import { BATCH_ENDPOINTS, createBatch } from '../../lib/work.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';

/** Bytes of the beginning of a file that are read for its endpoint. */
const BEGINNING = 256 * 1024;

/** Uploads a file of requests and creates a batch of it. */
export function CreateBatch({
  tenant,
  onClose,
}: {
  readonly tenant: string;
  /** @param created id of the batch */
  readonly onClose: (created?: string) => void;
}) {
  const [file, setFile] = useState<File>();
  const [endpoint, setEndpoint] = useState<string>(BATCH_ENDPOINTS[0]);
  const [missing, setMissing] = useState(false);
  const form = useForm(async () => {
    if (!file) return setMissing(true);
    onClose(await createBatch(tenant, file, endpoint));
  }, ['file', 'endpoint']);
  const choose = (chosen: File | undefined) => {
    setFile(chosen);
    setMissing(false);
    if (!chosen) return;
    void endpointOf(chosen).then((found) => found !== undefined && setEndpoint(found));
  };
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title="Create a batch"
      description="Each line of the file is a request with an id of yours. All lines are checked before the first one runs."
    >
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <TextField
          label="File"
          type="file"
          accept=".jsonl,.ndjson,application/jsonl,text/plain"
          className="py-1"
          hint={
            file ? (
              `${file.name}, ${bytes(file.size)}`
            ) : (
              <>
                JSON Lines, such as{' '}
                <code className="font-mono break-all">
                  {`{"custom_id": "1", "method": "POST", "url": "${endpoint}", "body": {"model": ...}}`}
                </code>
              </>
            )
          }
          onChange={({ target }) => choose(target.files?.[0])}
          error={missing ? 'Choose a file.' : form.errorOf('file')}
        />
        <SelectField
          label="Endpoint"
          hint="Of all lines; taken from the first line of the file."
          options={BATCH_ENDPOINTS.map((value) => ({ value, label: value }))}
          value={endpoint}
          onChange={({ target }) => setEndpoint(target.value)}
          error={form.errorOf('endpoint')}
        />
        <FormEnd state={form} action="Create" onCancel={() => onClose()} what="The batch was not created" />
      </form>
    </Dialog>
  );
}

/** @returns the endpoint that the first line of a file names; undefined where it names none */
async function endpointOf(file: File): Promise<string | undefined> {
  const beginning = await file.slice(0, BEGINNING).text();
  const first = beginning.split('\n').find((line) => line.trim() !== '') ?? '';
  return BATCH_ENDPOINTS.find((endpoint) => first.includes(`"${endpoint}"`));
}
