import { type ConfigMap, isConfigMap } from './config-document.ts';
import type { Origins } from './origins.ts';

/** Sections whose items can be changed while the gateway runs. */
export const OVERLAID_SECTIONS = ['providers', 'models'] as const;
export type OverlaidSection = (typeof OVERLAID_SECTIONS)[number];

/** An item that was written through the admin API: it is added to the file's items, or stands for the one with its id. */
export interface OverlayItem {
  readonly section: OverlaidSection;
  readonly id: string;
  /** As it would be in the file; null where the item of the file is left out. */
  readonly document: Readonly<Record<string, unknown>> | null;
}

export type ConfigOverlay = readonly OverlayItem[];

/** Puts an overlay on the values of the file and the environment, in place. Other types than lists are reported elsewhere. */
export function applyOverlay(root: ConfigMap, overlay: ConfigOverlay, origins: Origins): void {
  for (const section of OVERLAID_SECTIONS) {
    const own = overlay.filter((item) => item.section === section);
    if (own.length === 0) continue;
    const present = root[section];
    if (present !== undefined && present !== null && !Array.isArray(present)) continue;
    if (section === 'providers' && !present) root.environment_providers ??= true;
    root[section] = merged(present ?? [], own, section, origins);
  }
}

function merged(
  present: readonly unknown[],
  own: readonly OverlayItem[],
  section: OverlaidSection,
  origins: Origins,
): unknown[] {
  const left = new Map(own.map((item) => [item.id, item]));
  const items: unknown[] = [];
  const places: (number | undefined)[] = [];
  const add = (item: unknown) => {
    origins.set([section, items.length], { kind: 'overlay' });
    items.push(item);
    places.push(undefined);
  };
  for (const [place, item] of present.entries()) {
    const id = isConfigMap(item) ? item.id : undefined;
    const change = typeof id === 'string' ? left.get(id) : undefined;
    if (!change) {
      items.push(item);
      places.push(place);
      continue;
    }
    left.delete(change.id);
    if (change.document) add(change.document);
  }
  for (const { document } of left.values()) if (document) add(document);
  origins.setPlaces(section, places);
  return items;
}
