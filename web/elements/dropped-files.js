// @ts-check
// The files of a drop, those inside dropped folders too.

const PICTURE_ENDING = /\.(avif|gif|heic|heif|jfif|jpe?g|png|svg|tiff?|webp)$/i;

/** Is called in the drop event itself: the browser empties `transfer` right after. @param {DataTransfer} transfer @returns {Promise<File[]>} */
export async function droppedFiles(transfer) {
  const found = Array.from(transfer.items)
    .filter((item) => item.kind === "file")
    .map((item) => {
      const entry = item.webkitGetAsEntry?.();
      return entry?.isDirectory ? filesBelow(entry) : item.getAsFile();
    });
  return (await Promise.all(found)).flat().filter((file) => file !== null);
}

/** @param {FileSystemEntry} entry @returns {Promise<File[]>} */
async function filesBelow(entry) {
  if (entry.isFile) return PICTURE_ENDING.test(entry.name) ? [await fileOf(entry)] : [];
  const files = [];
  for (const child of await childrenOf(entry)) files.push(...(await filesBelow(child)));
  return files;
}

/** @param {FileSystemEntry} entry @returns {Promise<File>} */
function fileOf(entry) {
  const fileEntry = /** @type {FileSystemFileEntry} */ (entry);
  return new Promise((resolve, reject) => fileEntry.file(resolve, reject));
}

/** @param {FileSystemEntry} entry */
async function childrenOf(entry) {
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  const children = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return /** @type {FileSystemEntry[]} */ (children); // it answers in portions
    children.push(...some);
  }
}
