const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** @returns the contents of all elements with this name, which have no attributes and no elements of the same name in them */
export function* elementsOf(xml: string, name: string): Generator<string> {
  const open = `<${name}>`;
  const close = `</${name}>`;
  for (let start = xml.indexOf(open); start >= 0; ) {
    const end = xml.indexOf(close, start);
    if (end < 0) return;
    yield xml.slice(start + open.length, end);
    start = xml.indexOf(open, end);
  }
}

/** @returns the text of the first element with this name; undefined for an empty or missing one */
export function elementText(xml: string, name: string): string | undefined {
  for (const text of elementsOf(xml, name)) return text === '' ? undefined : unescapeXml(text);
  return undefined;
}

export function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => {
    const [name = ''] = Object.entries(ENTITIES).find(([, value]) => value === char) ?? [];
    return `&${name};`;
  });
}

function unescapeXml(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (all, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[String(name)] ?? String(all);
    const code = decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal);
    return code <= 0x10_ff_ff ? String.fromCodePoint(code) : String(all);
  });
}
