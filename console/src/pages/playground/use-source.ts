import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useRef } from 'react';
import { api } from '../../lib/api.ts';
import type { RequestDetails } from '../requests/request-types.ts';
import { type Draft, draftOfPrompt, draftOfRequest } from './draft.ts';
import { type LoadedPrompt, useSavedPrompt } from './saved-prompts.ts';

/** What the URL names: a saved prompt, or a logged request. */
export interface Source {
  readonly prompt: string | undefined;
  readonly version: string | undefined;
  readonly request: string | undefined;
}

export interface LoadedSource {
  readonly prompt: LoadedPrompt | undefined;
  /** The request that was opened. */
  readonly requestId: string | undefined;
  readonly error: unknown;
  readonly isLoading: boolean;
  /** What differs from the logged request, and why it cannot be opened. */
  readonly notes: readonly string[];
  /** Makes a prompt that was just saved the loaded one, without replacing what is written. */
  readonly keep: (saved: LoadedPrompt) => void;
}

/** Reads what the URL names, and passes it on once. */
export function useSource(tenant: string, source: Source, onDraft: (draft: Draft) => void): LoadedSource {
  const { prompt: id, version, request: requestId } = source;
  const client = useQueryClient();
  const prompt = useSavedPrompt(tenant, id, version);
  const request = useQuery({
    queryKey: ['request', requestId, tenant],
    queryFn: () =>
      api.get<RequestDetails>(`/admin/v1/requests/${encodeURIComponent(requestId ?? '')}`, {
        query: { tenant },
      }),
    enabled: requestId !== undefined && id === undefined,
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
  const applied = useRef<string>(undefined);
  const sent = request.data?.messages?.request;
  const replay = useMemo(() => replayOf(sent), [sent]);
  const loaded = id === undefined ? undefined : prompt.data;
  useEffect(() => {
    const name = `${id ?? ''} ${version ?? ''} ${id === undefined ? (requestId ?? '') : ''}`;
    if (applied.current === name) return;
    const draft =
      id === undefined ? replay?.draft : prompt.data?.prompt.readable && draftOfPrompt(prompt.data.prompt);
    if (!draft) return;
    applied.current = name;
    onDraft(draft);
  }, [id, version, requestId, prompt.data, replay, onDraft]);
  return {
    prompt: loaded,
    requestId: id === undefined ? requestId : undefined,
    error: id === undefined ? request.error : prompt.error,
    isLoading: prompt.isLoading || request.isLoading,
    notes: [
      ...(loaded && !loaded.prompt.readable
        ? ['This prompt was saved with the secret of another installation, and cannot be read here.']
        : []),
      ...(id === undefined && request.data ? notesOf(request.data, replay?.unsentMembers) : []),
    ],
    keep: (saved) => {
      client.setQueryData(['prompt', tenant, saved.prompt.id, undefined], saved);
      applied.current = `${saved.prompt.id}  `;
    },
  };
}

/** @returns undefined for a request that the log does not have whole */
export function replayOf(sent: unknown): ReturnType<typeof draftOfRequest> | undefined {
  if (typeof sent !== 'object' || sent === null || Array.isArray(sent)) return undefined;
  return draftOfRequest({ ...sent });
}

function notesOf({ messages }: RequestDetails, unsentMembers: readonly string[] | undefined): string[] {
  if (!messages) return ['The messages of this request were not logged, so it cannot be opened here.'];
  if (unsentMembers === undefined) {
    return ['The log has only the beginning of this request, which was too long to keep whole.'];
  }
  return [
    'From the log: placeholders such as [EMAIL] stand for personal data and secrets, which it does not keep.',
    ...(unsentMembers.length > 0
      ? [`Left out, because only its own API has them: ${unsentMembers.join(', ')}.`]
      : []),
  ];
}
