import { heapStats } from 'bun:jsc';

/** Bytes of the JavaScript heap that are in use after a collection, with the memory of buffers and texts. */
export function usedBytes(): number {
  Bun.gc(true);
  const { heapSize, extraMemorySize } = heapStats();
  return heapSize + extraMemorySize;
}
