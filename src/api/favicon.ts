/** Pixels of one side. */
const SIZE = 16;
/** A dam, and water that runs over it. `#` is drawn in the colour. */
const PICTURE = [
  '................',
  '................',
  '..##...##...##..',
  '.####.####.####.',
  '##..###..###..##',
  '................',
  '################',
  '.##############.',
  '..############..',
  '...##########...',
  '....########....',
  '................',
  '....##...##.....',
  '...####.####.##.',
  '..##..###..####.',
  '................',
];
/** Blue, green, red, unused. */
const COLOUR = [0xb0, 0x6a, 0x1f, 0];

/**
 * The icon of the gateway: an ICO file with one image of one bit per pixel.
 * @see https://learn.microsoft.com/en-us/previous-versions/ms997538(v=msdn.10)
 */
export function favicon(): Uint8Array<ArrayBuffer> {
  const rows = 2 * SIZE * 4;
  const imageBytes = 40 + 8 + rows;
  const bytes = new Uint8Array(22 + imageBytes);
  const view = new DataView(bytes.buffer);
  const header = [0, 1, 1];
  for (const [index, value] of header.entries()) view.setUint16(2 * index, value, true);
  bytes.set([SIZE, SIZE, 2, 0], 6);
  view.setUint16(10, 1, true);
  view.setUint16(12, 1, true);
  view.setUint32(14, imageBytes, true);
  view.setUint32(18, 22, true);
  // The bitmap's header: its height counts the picture and its mask.
  view.setUint32(22, 40, true);
  view.setInt32(26, SIZE, true);
  view.setInt32(30, 2 * SIZE, true);
  view.setUint16(34, 1, true);
  view.setUint16(36, 1, true);
  view.setUint32(42, rows, true);
  bytes.set(COLOUR, 66);
  // Rows are stored from the bottom, each padded to four bytes: first the picture, then the mask of what is transparent.
  const first = 70;
  for (const [index, row] of PICTURE.toReversed().entries()) {
    let drawn = 0;
    for (const pixel of row) drawn = (drawn << 1) | (pixel === '#' ? 1 : 0);
    view.setUint16(first + 4 * index, drawn, false);
    view.setUint16(first + 4 * (SIZE + index), ~drawn & 0xffff, false);
  }
  return bytes;
}
