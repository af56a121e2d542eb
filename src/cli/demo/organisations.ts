import type { Role } from '../../tenancy/permissions.ts';
import type { PromptContent } from '../../tenancy/prompts.ts';

/** The invented organisations of `weir demo`. */

export interface DemoPerson {
  readonly name: string;
  /** Before the `@`. */
  readonly address: string;
  readonly role: Role;
}

/** Load of a key by the hour of the day (UTC). */
export type DemoRhythm = 'office' | 'customers' | 'steady' | 'nightly';

export interface DemoKey {
  readonly name: string;
  /** Index in `people` of its owner; the tenant when absent. */
  readonly owner?: number;
  readonly rhythm: DemoRhythm;
  /** Requests per hour at its busiest. */
  readonly perHour: number;
  readonly models: readonly string[];
  readonly tags: readonly string[];
  /** Share of responses from the cache, from 0 to 1. */
  readonly cached: number;
  /** Use of its monthly budget after the week, as a share; above 1 it is used up. Without a budget when absent. */
  readonly budgetUse?: number;
  readonly state?: 'paused' | 'revoked';
}

export interface DemoTenant {
  readonly id: string;
  readonly name: string;
  readonly timeZone: string;
  readonly people: readonly DemoPerson[];
  readonly keys: readonly DemoKey[];
  /** Use of the tenant's own monthly budget after the week, as a share. */
  readonly budgetUse?: number;
  /** Reports events to receivers that work, fail and are gone. */
  readonly hasWebhooks?: boolean;
  /** What its people saved in the playground. */
  readonly prompts?: readonly (PromptContent & { readonly name: string })[];
}

const NO_TOOLS = { tools: null, schema: null };

const ACME_PROMPTS: readonly (PromptContent & { readonly name: string })[] = [
  {
    ...{ name: 'Refund reply', model: 'assistant', parameters: { temperature: 0.2 }, ...NO_TOOLS },
    messages: [
      { role: 'system', content: 'You write for Acme Retail. Be brief and friendly.' },
      { role: 'user', content: 'My parcel came back to you. When do I get my money?' },
    ],
  },
  {
    ...{ name: 'Sort a complaint', model: 'assistant-mini', parameters: { temperature: 0 }, tools: null },
    schema: {
      ...{ type: 'object', additionalProperties: false, required: ['topic'] },
      properties: { topic: { enum: ['delivery', 'payment', 'product', 'other'] } },
    },
    messages: [{ role: 'user', content: 'The lamp is blue, and I ordered a green one.' }],
  },
  {
    ...{ name: 'Product names, three ideas', model: 'assistant', parameters: {}, ...NO_TOOLS },
    messages: [{ role: 'user', content: 'Three names for a lamp that folds.' }],
  },
];

export const DEMO_TENANTS: readonly DemoTenant[] = [
  {
    ...{ id: 'acme', name: 'Acme Retail', timeZone: 'Europe/Zurich', budgetUse: 0.64 },
    prompts: ACME_PROMPTS,
    hasWebhooks: true,
    people: [
      { name: 'Ada Brandt', address: 'ada', role: 'owner' },
      { name: 'Jonas Keller', address: 'jonas', role: 'developer' },
      { name: 'Mira Novak', address: 'mira', role: 'billing' },
      { name: 'Sam Weber', address: 'sam', role: 'viewer' },
    ],
    keys: [
      {
        ...{ name: 'support-chat', rhythm: 'customers', perHour: 90, cached: 0.24, budgetUse: 0.71 },
        ...{ models: ['assistant-mini', 'assistant'], tags: ['team:support'] },
      },
      {
        ...{ name: 'product-search', rhythm: 'customers', perHour: 70, cached: 0.12 },
        ...{ models: ['embeddings', 'assistant-mini'], tags: ['team:search'] },
      },
      {
        ...{ name: 'jonas-agent', owner: 1, rhythm: 'office', perHour: 16, cached: 0, budgetUse: 0.93 },
        ...{ models: ['reasoner', 'assistant'], tags: ['team:platform', 'client:agent'] },
      },
      {
        ...{ name: 'old-prototype', rhythm: 'steady', perHour: 1, cached: 0, state: 'revoked' },
        ...{ models: ['assistant'], tags: [] },
      },
    ],
  },
  {
    ...{ id: 'northwind', name: 'Northwind Logistics', timeZone: 'America/New_York' },
    people: [
      { name: 'Priya Raman', address: 'priya', role: 'admin' },
      { name: 'Luis Ortega', address: 'luis', role: 'developer' },
    ],
    keys: [
      {
        ...{ name: 'nightly-reports', rhythm: 'nightly', perHour: 160, cached: 0.02, budgetUse: 1.02 },
        ...{ models: ['assistant'], tags: ['job:reports'] },
      },
      {
        ...{ name: 'dispatch-desk', rhythm: 'office', perHour: 60, cached: 0.15, budgetUse: 0.42 },
        ...{ models: ['assistant-mini'], tags: ['team:dispatch'] },
      },
      {
        ...{ name: 'luis-notebook', owner: 1, rhythm: 'office', perHour: 9, cached: 0, state: 'paused' },
        ...{ models: ['reasoner', 'assistant-mini'], tags: ['client:notebook'] },
      },
    ],
  },
  {
    ...{ id: 'lumen', name: 'Lumen Health', timeZone: 'Europe/London', budgetUse: 0.88 },
    people: [
      { name: 'Grace Okafor', address: 'grace', role: 'owner' },
      { name: 'Tom Hughes', address: 'tom', role: 'developer' },
    ],
    keys: [
      {
        ...{ name: 'triage', rhythm: 'steady', perHour: 45, cached: 0.08 },
        ...{ models: ['assistant', 'reasoner'], tags: ['team:clinic'] },
      },
      {
        ...{ name: 'letters', rhythm: 'office', perHour: 40, cached: 0.05, budgetUse: 0.97 },
        ...{ models: ['assistant-mini'], tags: ['team:office'] },
      },
    ],
  },
];

/** A model of the demo: how fast and how long its responses are. */
export interface DemoModel {
  readonly id: string;
  /** Providers that serve it, the usual one first. */
  readonly providers: readonly string[];
  /** Name of the simulator's model behind it. */
  readonly upstream: string;
  /** Its options, as of the header `x-weir-simulate`. */
  readonly options?: string;
  /** US dollars per million tokens. */
  readonly price: { readonly input: string; readonly output: string };
  readonly firstMs: number;
  readonly tokensPerSecond: number;
  /** Median tokens of a request. */
  readonly input: number;
  readonly output: number;
}

export const DEMO_MODELS: readonly DemoModel[] = [
  {
    ...{
      id: 'assistant',
      upstream: 'simulator-large',
      options: 'ttft=420ms,tps=95',
      price: { input: '3', output: '15' },
    },
    ...{ providers: ['east', 'west'], firstMs: 420, tokensPerSecond: 95, input: 1_400, output: 310 },
  },
  {
    ...{ id: 'assistant-mini', upstream: 'simulator-mini', options: 'ttft=180ms,tps=160' },
    ...{ price: { input: '0.25', output: '1.25' }, providers: ['west', 'east'] },
    ...{ firstMs: 180, tokensPerSecond: 160, input: 900, output: 180 },
  },
  {
    ...{
      id: 'reasoner',
      upstream: 'simulator-reasoning',
      options: 'ttft=900ms,tps=60',
      price: { input: '8', output: '32' },
    },
    ...{ providers: ['east'], firstMs: 900, tokensPerSecond: 60, input: 3_200, output: 1_100 },
  },
  {
    ...{ id: 'embeddings', upstream: 'simulator-embedding', price: { input: '0.02', output: '0' } },
    ...{ providers: ['local'], firstMs: 25, tokensPerSecond: 0, input: 260, output: 0 },
  },
];

export const DEMO_PROVIDERS: readonly string[] = ['east', 'west', 'local'];
