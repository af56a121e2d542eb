/** Bytes. */
const MAX_IMAGE = 10_000_000;

/** @returns the images as data URLs, and the name of the first that is too large */
export async function readImages(
  files: FileList | null,
): Promise<{ readonly urls: readonly string[]; readonly tooLarge: string | undefined }> {
  const all = [...(files ?? [])];
  const urls = await Promise.all(all.filter(({ size }) => size <= MAX_IMAGE).map(dataUrlOf));
  return { urls, tooLarge: all.find(({ size }) => size > MAX_IMAGE)?.name };
}

function dataUrlOf(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error ?? new Error('The file cannot be read.'));
    reader.readAsDataURL(file);
  });
}
