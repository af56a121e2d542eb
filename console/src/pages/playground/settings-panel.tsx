import type { ReactNode } from 'react';
import { TextArea, TextField } from '../../ui/field.tsx';
import type { Settings, SettingsError } from './settings.ts';

/** Everything of a request beside its messages. */
export function SettingsPanel({
  settings,
  setSettings,
  fieldError,
  children,
}: {
  readonly settings: Settings;
  readonly setSettings: (settings: Settings) => void;
  readonly fieldError: SettingsError | undefined;
  readonly children: ReactNode;
}) {
  const props = (field: keyof Settings) => ({
    value: settings[field],
    onChange: ({ target }: { readonly target: { readonly value: string } }) =>
      setSettings({ ...settings, [field]: target.value }),
    error: fieldError?.field === field ? fieldError.message : undefined,
  });
  return (
    <div className="flex flex-col gap-3">
      <TextArea label="System prompt" {...props('system')} />
      <div className="grid grid-cols-2 gap-2">
        <TextField label="Temperature" inputMode="decimal" placeholder="default" {...props('temperature')} />
        <TextField label="Output tokens" inputMode="numeric" placeholder="default" {...props('maxTokens')} />
        <TextField label="Top p" inputMode="decimal" placeholder="default" {...props('topP')} />
        <TextField label="Seed" inputMode="numeric" placeholder="none" {...props('seed')} />
      </div>
      <TextArea label="Stop sequences" hint="One on each line." {...props('stop')} />
      <TextArea label="Tools (JSON)" className="font-mono" spellCheck={false} {...props('tools')} />
      <TextArea
        label="JSON schema of the response"
        className="font-mono"
        spellCheck={false}
        {...props('schema')}
      />
      <TextArea
        label="Other parameters (JSON)"
        className="font-mono"
        spellCheck={false}
        {...props('extra')}
      />
      {children}
    </div>
  );
}
