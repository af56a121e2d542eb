import { useQuery } from '@tanstack/react-query';
import { type KeyboardEvent, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { api } from '../lib/api.ts';
import { type ChatMessage, NOTHING_YET, streamChat } from '../lib/chat.ts';
import { usePageSearch } from '../lib/search.ts';
import { useSession } from '../lib/session.tsx';
import { Button } from '../ui/button.tsx';
import { Snippet } from '../ui/copy.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { ErrorPanel } from '../ui/feedback.tsx';
import { SelectField, TextArea } from '../ui/field.tsx';
import { Page } from '../ui/page.tsx';
import { contentOf, type Draft, type PromptContent } from './playground/draft.ts';
import { Earlier } from './playground/earlier.tsx';
import { readImages } from './playground/images.ts';
import { Lane, type Turn } from './playground/lane.tsx';
import { PromptsDrawer } from './playground/prompts-drawer.tsx';
import { RoutePreview } from './playground/route-preview.tsx';
import { SavePrompt } from './playground/save-prompt.tsx';
import {
  bodyOf,
  curlOf,
  NO_SETTINGS,
  pythonOf,
  type Settings,
  SettingsError,
  typescriptOf,
} from './playground/settings.ts';
import { SettingsPanel } from './playground/settings-panel.tsx';
import { SourceBar } from './playground/source-bar.tsx';
import { useSource } from './playground/use-source.ts';

const MAX_LANES = 4;
const DEFAULT_TENANT = 'default';
const CLIENTS = { curl: curlOf, Python: pythonOf, TypeScript: typescriptOf } as const;

interface ModelList {
  readonly data: readonly {
    readonly id: string;
    readonly capabilities?: Readonly<Record<string, unknown>>;
  }[];
}

/** Sends a conversation to up to four models side by side. */
export default function PlaygroundPage() {
  const session = useSession();
  const tenant = session.tenant ?? DEFAULT_TENANT;
  const [search, change] = usePageSearch();
  const [settings, setSettings] = useState<Settings>(NO_SETTINGS);
  const [fieldError, setFieldError] = useState<SettingsError>();
  const [text, setText] = useState('');
  const [images, setImages] = useState<readonly string[]>([]);
  const [imageError, setImageError] = useState<string>();
  const [turns, setTurns] = useState<Readonly<Record<string, readonly Turn[]>>>({});
  const [earlier, setEarlier] = useState<readonly ChatMessage[]>([]);
  const [open, setOpen] = useState<'code' | 'prompts' | 'save'>();
  const abort = useRef<AbortController>(undefined);
  const lastId = useRef(0);
  const models = useQuery({
    queryKey: ['models', tenant],
    queryFn: async () => {
      const response = await api.raw('GET', '/v1/models', { headers: { 'x-weir-tenant': tenant } });
      const list: ModelList = await response.json();
      return list.data.filter(({ capabilities }) => !capabilities?.embeddings && !capabilities?.rerank);
    },
  });
  const names = useMemo(() => models.data?.map(({ id }) => id) ?? [], [models.data]);
  const lanes = (search.models ?? names[0] ?? '').split(',').filter(Boolean).slice(0, MAX_LANES);
  const setLanes = (next: readonly string[]) => change({ models: next.join(',') });
  const isRunning = lanes.some((model) => turns[model]?.at(-1)?.isRunning);
  const { selectTenant, tenants } = session;
  const linked = search.of;
  // A link opens in the tenant that it is of.
  const followed = useRef<string>(undefined);
  useEffect(() => {
    if (linked === undefined || followed.current === linked || !tenants.some(({ id }) => id === linked))
      return;
    followed.current = linked;
    selectTenant(linked);
  }, [linked, tenants, selectTenant]);
  const applyDraft = useCallback(
    ({ model, settings: wanted, earlier: before, text: typed, images: urls }: Draft) => {
      setSettings(wanted);
      setEarlier(before);
      setText(typed);
      setImages(urls);
      setTurns({});
      if (model !== undefined && search.models === undefined) change({ models: model });
    },
    [change, search.models],
  );
  const { prompt: promptId, version, request: requestId } = search;
  const sourceTenant = linked ?? tenant;
  const source = useSource(sourceTenant, { prompt: promptId, version, request: requestId }, applyDraft);
  const load = (id: string, number?: number) => {
    const wanted = number === undefined ? undefined : String(number);
    setOpen(undefined);
    change({ prompt: id, version: wanted, of: tenant, request: undefined, models: undefined }, true);
  };
  const forget = () => change({ prompt: undefined, version: undefined, request: undefined, of: undefined });
  const startOver = () => {
    setTurns({});
    setEarlier([]);
    forget();
  };

  const question = (): ChatMessage => ({
    role: 'user',
    content:
      images.length === 0
        ? text
        : [{ type: 'text', text }, ...images.map((url) => ({ type: 'image_url', image_url: { url } }))],
  });
  const historyOf = (model: string): ChatMessage[] => [
    ...earlier,
    ...(turns[model] ?? [])
      .filter(({ error }) => error === undefined)
      .flatMap(({ question: asked, progress }): ChatMessage[] => [
        ...(asked ? [asked] : []),
        { role: 'assistant', content: progress.text },
      ]),
  ];
  const isTyped = text.trim() !== '' || images.length > 0;
  // A loaded conversation may end with a tool's result, and is sent as it is.
  const isReady = isTyped || (earlier.length > 0 && earlier.at(-1)?.role !== 'assistant');
  /** @returns undefined where a setting is not valid, which is shown beside it */
  const checkedBody = (model: string) => {
    try {
      setFieldError(undefined);
      return bodyOf(settings, [...historyOf(model), ...(isTyped ? [question()] : [])]);
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
      setFieldError(error);
      return undefined;
    }
  };
  const setTurn = (model: string, id: number, changed: Partial<Turn>) =>
    setTurns((all) => ({
      ...all,
      [model]: (all[model] ?? []).map((turn) => (turn.id === id ? { ...turn, ...changed } : turn)),
    }));
  const send = () => {
    if (!isReady || isRunning) return;
    const asked = isTyped ? question() : undefined;
    const bodies = lanes.map((model) => [model, checkedBody(model)] as const);
    if (bodies.some(([, body]) => body === undefined)) return;
    const controller = new AbortController();
    abort.current = controller;
    for (const [model, body] of bodies) {
      lastId.current += 1;
      const id = lastId.current;
      const turn: Turn = { id, question: asked, progress: NOTHING_YET, error: undefined, isRunning: true };
      setTurns((all) => ({ ...all, [model]: [...(all[model] ?? []), turn] }));
      streamChat(
        tenant,
        { ...body, model },
        (progress) => setTurn(model, id, { progress }),
        controller.signal,
      )
        .then((progress) => setTurn(model, id, { progress, isRunning: false }))
        .catch((error: unknown) => setTurn(model, id, { error, isRunning: false }));
    }
    setText('');
    setImages([]);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    send();
  };
  const addImages = async (files: FileList | null) => {
    const { urls, tooLarge } = await readImages(files);
    setImageError(tooLarge === undefined ? undefined : `${tooLarge} is larger than 10 MB.`);
    setImages((all) => [...all, ...urls]);
  };
  const previewBody = useMemo(() => {
    try {
      return bodyOf(settings, [...earlier, { role: 'user', content: text === '' ? 'Hello.' : text }]);
    } catch {
      // Shown beside the setting when it is sent.
      return { messages: [{ role: 'user', content: 'Hello.' }] };
    }
  }, [settings, text, earlier]);

  const [saved, setSaved] = useState<PromptContent>();
  const turnsOfFirst = turns[lanes[0] ?? '']?.length ?? 0;
  const save = () => {
    const body = checkedBody(lanes[0] ?? '');
    if (!body) return;
    setSaved(contentOf(lanes[0], body));
    setOpen('save');
  };

  return (
    <Page
      title="Playground"
      purpose={`Send messages to models, as a member of the tenant ${tenant}: its limits hold, and usage is counted.`}
      actions={
        <>
          <Button onClick={() => setOpen('prompts')}>Prompts</Button>
          <Button onClick={save} disabled={!isReady && turnsOfFirst === 0}>
            Save
          </Button>
          <Button onClick={() => setOpen('code')}>Code</Button>
          <Button onClick={startOver} disabled={isRunning}>
            Start over
          </Button>
        </>
      }
    >
      {models.error && (
        <ErrorPanel
          what="The models could not be read"
          error={models.error}
          retry={() => void models.refetch()}
        />
      )}
      <SourceBar tenant={sourceTenant} source={source} onForget={forget} />
      <div className="flex flex-wrap gap-2 items-end">
        {lanes.map((model, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the place is what a choice belongs to
          <div key={index} className="flex items-end gap-1">
            <SelectField
              label={lanes.length === 1 ? 'Model' : `Model ${index + 1}`}
              options={[...new Set([model, ...names])].map((value) => ({ value, label: value }))}
              value={model}
              onChange={({ target }) => setLanes(lanes.map((one, at) => (at === index ? target.value : one)))}
            />
            {lanes.length > 1 && (
              <Button
                variant="quiet"
                aria-label={`Remove ${model}`}
                onClick={() => setLanes(lanes.filter((_, at) => at !== index))}
              >
                ✕
              </Button>
            )}
          </div>
        ))}
        {lanes.length < MAX_LANES && names.length > lanes.length && (
          <Button onClick={() => setLanes([...lanes, names.find((name) => !lanes.includes(name)) ?? ''])}>
            Compare with another
          </Button>
        )}
      </div>
      <div className="grid gap-3 lg:grid-cols-[1fr_20rem]">
        <div className="flex flex-col gap-3 min-w-0">
          <Earlier messages={earlier} onChange={setEarlier} />
          <div
            className="grid gap-3"
            style={{ gridTemplateColumns: `repeat(auto-fit, minmax(min(100%, 18rem), 1fr))` }}
          >
            {lanes.map((model) => (
              <Lane key={model} model={model} turns={turns[model] ?? []} />
            ))}
          </div>
          <TextArea
            label="Message"
            hint="Ctrl Enter sends it."
            value={text}
            onChange={({ target }) => setText(target.value)}
            onKeyDown={onKey}
          />
          <div className="flex flex-wrap gap-2 items-center">
            <label className="rounded border border-line h-8 px-2.5 inline-flex items-center cursor-pointer hover:bg-raised focus-within:outline-2 focus-within:outline-accent">
              Add images
              <input
                type="file"
                accept="image/*"
                multiple
                className="sr-only"
                onChange={({ target }) => void addImages(target.files)}
              />
            </label>
            {images.length > 0 && (
              <Button variant="quiet" onClick={() => setImages([])}>
                {images.length} attached: remove
              </Button>
            )}
            {imageError && (
              <span role="alert" className="text-bad">
                {imageError}
              </span>
            )}
            <span className="grow" />
            {isRunning ? (
              <Button onClick={() => abort.current?.abort()}>Stop</Button>
            ) : (
              <Button variant="primary" onClick={send} disabled={lanes.length === 0 || !isReady}>
                Send
              </Button>
            )}
          </div>
        </div>
        <SettingsPanel {...{ settings, setSettings, fieldError }}>
          {session.can('platform:read') && lanes[0] !== undefined && (
            <details>
              <summary className="cursor-pointer font-medium">Where it would go</summary>
              <RoutePreview tenant={tenant} model={lanes[0]} body={previewBody} />
            </details>
          )}
        </SettingsPanel>
      </div>
      {open === 'prompts' && (
        <PromptsDrawer
          tenant={tenant}
          onLoad={load}
          onDeleted={(id) => id === promptId && forget()}
          onClose={() => setOpen(undefined)}
        />
      )}
      {open === 'save' && saved && (
        <SavePrompt
          tenant={tenant}
          content={saved}
          loaded={sourceTenant === tenant ? source.prompt : undefined}
          onClose={() => setOpen(undefined)}
          onSaved={(one) => {
            source.keep(one);
            setOpen(undefined);
            change({ prompt: one.prompt.id, of: tenant, version: undefined, request: undefined }, true);
          }}
        />
      )}
      <Dialog isOpen={open === 'code'} onClose={() => setOpen(undefined)} title="The request as code">
        <div className="flex flex-col gap-3">
          {Object.entries(CLIENTS).map(([name, codeOf]) => (
            <Snippet key={name} title={name} code={codeOf(location.origin, lanes[0] ?? '', previewBody)} />
          ))}
        </div>
      </Dialog>
    </Page>
  );
}
