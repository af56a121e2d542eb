import { CLIENTS, type ClientName } from './features.ts';

/** What came of one attempt. `unsaid`: the client's dialect, or the provider, has no such thing. */
export type Cell =
  | { readonly kind: 'yes' }
  | { readonly kind: 'warned'; readonly says: string }
  | { readonly kind: 'unsaid' };

export interface MatrixRow {
  /** What the client asked for, or what it read of an answer. */
  readonly group: 'asked' | 'answered';
  readonly feature: string;
  readonly client: ClientName;
  readonly provider: string;
  readonly cell: Cell;
}

const SHORT: Readonly<Record<ClientName, string>> = {
  'openai chat': 'C',
  'openai responses': 'R',
  'anthropic messages': 'M',
};

function table(rows: readonly MatrixRow[]): string[] {
  const features = [...new Set(rows.map(({ feature }) => feature))];
  const providers = [...new Set(rows.map(({ provider }) => provider))];
  const cellOf = (provider: string, feature: string) =>
    CLIENTS.map((client) => {
      const row = rows.find(
        (one) => one.provider === provider && one.feature === feature && one.client === client,
      );
      const { kind = 'unsaid' } = row?.cell ?? {};
      return kind === 'yes' ? SHORT[client] : kind === 'warned' ? SHORT[client].toLowerCase() : '·';
    }).join(' ');
  return [
    `| | ${providers.join(' | ')} |`,
    `|---|${providers.map(() => '---').join('|')}|`,
    ...features.map(
      (feature) => `| ${feature} | ${providers.map((one) => cellOf(one, feature)).join(' | ')} |`,
    ),
  ];
}

/** The warnings, each once, with who gets it. */
function warnings(rows: readonly MatrixRow[]): string[] {
  const found = new Map<string, Set<string>>();
  for (const { feature, provider, cell } of rows) {
    if (cell.kind !== 'warned') continue;
    const key = `${feature} | ${cell.says}`;
    const providers = found.get(key) ?? new Set();
    found.set(key, providers.add(provider));
  }
  return [
    '| asked for | warning | at |',
    '|---|---|---|',
    ...[...found].map(([key, providers]) => `| ${key} | ${[...providers].join(', ')} |`),
  ];
}

/** docs/compatibility.md, from what the tests found. */
export function compatibilityPage(rows: readonly MatrixRow[]): string {
  const asked = rows.filter(({ group }) => group === 'asked');
  const answered = rows.filter(({ group }) => group === 'answered');
  return `${[
    '# Compatibility',
    '',
    '<!-- Written by the tests (`WEIR_WRITE_DOCS=1 npm test`), which fail when it is not what they find. -->',
    '',
    'Every client dialect against every provider family, one request for each cell, through a gateway to a mock that answers in the provider’s own format. C is OpenAI’s chat completions, R OpenAI’s responses, M Anthropic’s messages.',
    '',
    '- A capital: it arrived. For requests, the thing asked for was found in what the provider was sent, and there was no warning. For answers, the official SDK of that dialect read exactly what the provider said.',
    '- A small letter: the target can’t be told, or is told differently, and `x-weir-warnings` says so (or `strict` refuses). The warnings are below.',
    '- A dot: the client’s dialect, or the provider’s answer, has no such thing.',
    '',
    'Vendors that speak OpenAI’s format are as in the column of vLLM, but for the peculiarities that [providers.md](providers.md) tells. Beside this, every recorded answer of real providers is read by all three SDKs (`test/compat/recordings.test.ts`).',
    '',
    '## What clients ask for',
    '',
    ...table(asked),
    '',
    '## What clients read',
    '',
    ...table(answered),
    '',
    '## Warnings',
    '',
    ...warnings(asked),
  ].join('\n')}\n`;
}
