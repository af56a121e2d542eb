import { type PartText, visibleText } from './pdf-text.ts';

const LEFT = 50;
const RIGHT = 545;
const TOP = 50;
const BOTTOM = 775;
const INK = '#1b1f24';
const GREY = '#5f6872';
const RULE = '#c9ced4';

/** Left edges and widths of the table's columns, in points. */
const COLUMNS = [
  { x: LEFT, width: 22, align: 'left' },
  { x: 74, width: 186, align: 'left' },
  { x: 264, width: 88, align: 'right' },
  { x: 356, width: 94, align: 'right' },
  { x: 454, width: 91, align: 'right' },
] as const;

export interface TextStyle {
  readonly bold?: boolean;
  /** Points. */
  readonly size?: number;
  readonly grey?: boolean;
  readonly x?: number;
  readonly width?: number;
  readonly align?: 'left' | 'right';
}

/** A row of the table. */
export interface TableRow {
  readonly number?: string;
  readonly title: string;
  readonly details?: string;
  readonly parts?: readonly PartText[];
  readonly amount: string;
}

/** Writes from the top of pages to their bottom, and begins new pages with the head of the table. */
export class PdfPage {
  y = TOP;
  readonly top = TOP;
  #head: readonly string[] | undefined;

  constructor(private readonly pdf: PDFKit.PDFDocument) {}

  space(points: number): void {
    this.y += points;
  }

  /** Writes a paragraph, which wraps. */
  text(text: string, style: TextStyle = {}): void {
    const { x = LEFT, width = RIGHT - LEFT } = style;
    const shown = visibleText(text);
    this.#use(style);
    const height = this.pdf.heightOfString(shown, { width });
    this.keepTogether(height);
    this.#use(style);
    this.pdf.text(shown, x, this.y, { width, align: style.align ?? 'left' });
    this.y += height + 2;
  }

  /** Writes a name at the left of a space, and its value at the right. */
  pair(name: string, value: string, { x, width }: { readonly x: number; readonly width: number }): void {
    this.#use({ size: 8.5, grey: true });
    this.pdf.text(name, x, this.y, { width: 80 });
    this.#use({ size: 8.5 });
    const shown = visibleText(value);
    const options = { width: width - 84, align: 'right' } as const;
    const height = this.pdf.heightOfString(shown, options);
    this.pdf.text(shown, x + 84, this.y, options);
    this.y += height + 2;
  }

  total(name: string, value: string, isLast: boolean): void {
    if (isLast) this.#rule(280);
    this.#use({ size: isLast ? 10.5 : 9, bold: isLast });
    const shown = visibleText(name);
    const options = { width: 170, align: 'left' } as const;
    const height = this.pdf.heightOfString(shown, options);
    this.pdf.text(shown, 280, this.y, options);
    this.pdf.text(value, 454, this.y, { width: 91, align: 'right' });
    this.y += height + 4;
  }

  /** Begins a new page where so many points do not fit on this one. */
  keepTogether(points: number): void {
    if (this.y + points <= BOTTOM || this.y === TOP) return;
    this.pdf.addPage();
    this.y = TOP;
    if (this.#head) this.#tableHead(this.#head);
  }

  startTable(head: readonly string[]): void {
    this.keepTogether(60);
    this.#head = head;
    this.#tableHead(head);
  }

  endTable(): void {
    this.#head = undefined;
  }

  /** Writes a row; a page may end between its parts. */
  row({ number = '', title, details = '', parts = [], amount }: TableRow): void {
    const shown = visibleText(title);
    const below = visibleText(details);
    const [first, second] = [COLUMNS[0], COLUMNS[1]];
    // The title may use the columns of quantity and price, which are empty there.
    const width = COLUMNS[3].x + COLUMNS[3].width - second.x;
    this.#use({ size: 9, bold: true });
    const height = this.pdf.heightOfString(shown, { width });
    this.#use({ size: 7.5, grey: true });
    const detailHeight = below === '' ? 0 : this.pdf.heightOfString(below, { width }) + 1;
    this.keepTogether(height + detailHeight + (parts.length > 0 ? 12 : 0) + 8);
    this.space(4);
    this.#use({ size: 8, grey: true });
    this.pdf.text(number, first.x, this.y + 0.7, { width: first.width });
    this.#use({ size: 9 });
    this.#cell(4, amount);
    this.#use({ size: 9, bold: true });
    this.pdf.text(shown, second.x, this.y, { width });
    this.y += height;
    if (below !== '') {
      this.#use({ size: 7.5, grey: true });
      this.pdf.text(below, second.x, this.y + 1, { width });
      this.y += detailHeight;
    }
    for (const part of parts) this.#part(part);
    this.space(4);
    this.#rule(LEFT, 0.4);
  }

  /** Numbers the pages and ends the document. */
  finish(left: string, right: string): void {
    const { start, count } = this.pdf.bufferedPageRange();
    for (let index = 0; index < count; index += 1) {
      this.pdf.switchToPage(start + index);
      this.#use({ size: 7, grey: true });
      this.pdf.text(left, LEFT, 795, { width: 400, height: 9, ellipsis: true });
      this.pdf.text(`Page ${index + 1} of ${count}`, 454, 795, { width: 91, align: 'right' });
      this.pdf.text(right, LEFT, 806, { width: RIGHT - LEFT });
    }
  }

  #part({ what, quantity, price, amount }: PartText): void {
    const second = COLUMNS[1];
    this.#use({ size: 7.5, grey: true });
    const cells = [quantity, price, amount];
    const heights = cells.map((text, index) =>
      this.pdf.heightOfString(text, { width: COLUMNS[index + 2]?.width ?? 90 }),
    );
    const height = Math.max(9, ...heights);
    this.keepTogether(height + 2);
    this.#use({ size: 7.5, grey: true });
    this.pdf.text(what, second.x, this.y + 1, { width: second.width });
    for (const [index, text] of cells.entries()) this.#cell(index + 2, text, 1);
    this.y += height + 1;
  }

  #cell(index: number, text: string, down = 0): void {
    const column = COLUMNS[index];
    if (!column) return;
    this.pdf.text(text, column.x, this.y + down, { width: column.width, align: column.align });
  }

  #tableHead(head: readonly string[]): void {
    this.#use({ size: 8, grey: true });
    for (const [index, text] of head.entries()) this.#cell(index, text);
    this.y += 13;
    this.#rule(LEFT);
  }

  #rule(from: number, width = 0.8): void {
    this.pdf.moveTo(from, this.y).lineTo(RIGHT, this.y).lineWidth(width).strokeColor(RULE).stroke();
    this.y += 4;
  }

  #use({ bold = false, size = 9, grey = false }: TextStyle): void {
    this.pdf
      .font(bold ? 'bold' : 'regular')
      .fontSize(size)
      .fillColor(grey ? GREY : INK);
  }
}
