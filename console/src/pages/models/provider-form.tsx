import { useState } from 'react';
import { api, type Reply } from '../../lib/api.ts';
import { count, duration } from '../../lib/format.ts';
import { Cancelled } from '../../lib/save.tsx';
import { useUnsaved } from '../../lib/unsaved.tsx';
import { Button } from '../../ui/button.tsx';
import { Badge, ErrorPanel } from '../../ui/feedback.tsx';
import { SelectField, TextArea, TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { bodyOf, type ConfigItem, type ProviderTest, withoutEmpty } from './config-item.ts';
import { useStoreItem } from './store-item.tsx';

const KINDS = [
  { value: 'openai', label: 'OpenAI' },
  { value: 'anthropic', label: 'Anthropic' },
  { value: 'azure-openai', label: 'Azure OpenAI' },
  { value: 'gemini', label: 'Google Gemini' },
  { value: 'bedrock', label: 'AWS Bedrock' },
  { value: 'mistral', label: 'Mistral' },
  { value: 'cohere', label: 'Cohere' },
  { value: 'openai-compatible', label: 'OpenAI-compatible (vLLM, SGLang, Ollama, ...)' },
] as const;

/** Members with a field of their own; all others are edited as JSON. */
const FIELDS = ['kind', 'base_url', 'api_key', 'region'];

/** Adds or changes a provider. It is tested before it is saved, and shows the provider's own error. */
export function ProviderForm({
  base,
  mayChange,
  onDone,
}: {
  /** The provider as it was read; undefined for a new one. */
  readonly base: Reply<ConfigItem> | undefined;
  readonly mayChange: boolean;
  readonly onDone: (id: string) => void;
}) {
  // Later versions are for the next time: they must not replace what is being typed.
  const [first] = useState(base);
  const item = first?.data;
  const document = bodyOf({ document: item?.document ?? null });
  const text = (name: string) => (typeof document[name] === 'string' ? document[name] : '');
  const [id, setId] = useState(item?.id ?? 'openai');
  const [kind, setKind] = useState(text('kind') || item?.kind || 'openai');
  const [url, setUrl] = useState(text('base_url'));
  const [key, setKey] = useState(text('api_key'));
  const [region, setRegion] = useState(text('region'));
  const [more, setMore] = useState(() => {
    const others = Object.entries(document).filter(([name]) => !FIELDS.includes(name));
    return others.length === 0 ? '' : JSON.stringify(Object.fromEntries(others), undefined, 2);
  });
  const [moreError, setMoreError] = useState<string>();
  const unsaved = useUnsaved();
  const { store, dialog } = useStoreItem('providers', first);
  const [test, setTest] = useState<ProviderTest>();
  const [testError, setTestError] = useState<unknown>();
  const [isTesting, setTesting] = useState(false);

  /** @returns undefined where what was typed as JSON is none */
  const documentOf = () => {
    setMoreError(undefined);
    try {
      const others: unknown = more.trim() === '' ? {} : JSON.parse(more);
      return withoutEmpty({ ...Object(others), kind, base_url: url, api_key: key, region });
    } catch (error) {
      setMoreError(error instanceof Error ? error.message : 'must be JSON');
      return undefined;
    }
  };
  const form = useForm(async () => {
    const next = documentOf();
    if (!next) throw new Cancelled();
    await store(id.trim(), next);
    unsaved.saved();
    onDone(id.trim());
  }, ['id', 'kind', 'base_url', 'api_key', 'region']);
  const runTest = () => {
    const next = documentOf();
    if (!next) return;
    setTesting(true);
    setTest(undefined);
    setTestError(undefined);
    api
      .post<ProviderTest>('/admin/v1/providers/test', { provider: { ...next, id: id.trim() } })
      .then(setTest)
      .catch(setTestError)
      .finally(() => setTesting(false));
  };
  const changed =
    (set: (value: string) => void) => (event: { readonly target: { readonly value: string } }) => {
      set(event.target.value);
      unsaved.touch();
      setTest(undefined);
    };
  if (item && !item.document) {
    return (
      <p>
        {item.source === 'built-in'
          ? 'It is part of Weir and needs no settings.'
          : 'It comes from the environment or from this machine. Add a provider with the same id to change it.'}
      </p>
    );
  }
  return (
    <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
      <SelectField
        label="Kind"
        options={KINDS.some(({ value }) => value === kind) ? KINDS : [...KINDS, { value: kind, label: kind }]}
        value={kind}
        onChange={(event) => {
          changed(setKind)(event);
          if (id === '' || KINDS.some(({ value }) => value === id)) setId(item?.id ?? event.target.value);
        }}
        error={form.errorOf('kind')}
      />
      <TextField
        label="Id"
        required
        disabled={item !== undefined}
        placeholder="openai"
        hint="Requests can name it: id/model."
        value={id}
        onChange={changed(setId)}
        error={form.errorOf('id')}
      />
      <TextField
        label="API key"
        type="password"
        autoComplete="off"
        hint="Sealed in the control database; it is never shown again."
        value={key}
        onChange={changed(setKey)}
        error={form.errorOf('api_key')}
      />
      <TextField
        label="Address"
        placeholder={kind === 'openai-compatible' ? 'http://gpu-1:8000/v1' : 'the usual one'}
        required={kind === 'openai-compatible' || kind === 'azure-openai'}
        value={url}
        onChange={changed(setUrl)}
        error={form.errorOf('base_url')}
      />
      {kind === 'bedrock' && (
        <TextField
          label="Region"
          placeholder="us-east-1"
          value={region}
          onChange={changed(setRegion)}
          error={form.errorOf('region')}
        />
      )}
      <TextArea
        label="More settings (JSON)"
        className="font-mono"
        spellCheck={false}
        hint="As in the configuration file: timeout, headers, models, upstream and others."
        value={more}
        onChange={changed(setMore)}
        error={moreError}
      />
      {testError !== undefined && <ErrorPanel what="The test was not made" error={testError} />}
      {test && <TestResult test={test} />}
      {mayChange && (
        <FormEnd
          state={form}
          action="Save"
          what="The provider was not saved"
          extra={
            <Button className="mr-auto" onClick={runTest} isBusy={isTesting} disabled={id.trim() === ''}>
              Test
            </Button>
          }
        />
      )}
      {dialog}
    </form>
  );
}

export function TestResult({ test }: { readonly test: ProviderTest }) {
  if (!test.ok) {
    return (
      <ErrorPanel
        what={`It responds with an error (${test.error?.code ?? 'unknown'})`}
        error={new Error(test.error?.message ?? 'No message.')}
      />
    );
  }
  return (
    <div className="rounded border border-line p-3">
      <p>
        <Badge tone="good">responds</Badge> in {duration(test.duration_ms)}, with{' '}
        {count(test.model_count, 'model')}
      </p>
      {test.models.length > 0 && (
        <details>
          <summary className="cursor-pointer">Models</summary>
          <p className="font-mono break-words max-h-40 overflow-auto">{test.models.join(', ')}</p>
        </details>
      )}
    </div>
  );
}
