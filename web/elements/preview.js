// @ts-check
// Small pictures of large files: hundreds of photographs of 20 megapixels each would fill the memory, and a card
// shows a hundredth of that.

const SMALL_BYTES = 1_000_000; // a file below this shows itself
const WIDTH = 800; // a card on a fine screen
const AT_ONCE = 2; // decoding takes a core each

/** @type {(() => void)[]} those that wait for their turn */
const line = [];
let decoding = 0;

/** The address of a picture like this one, to be revoked; rejects if the browser cannot show it. @param {File} file @param {AbortSignal} signal */
export async function previewOf(file, signal) {
  if (file.size < SMALL_BYTES || !globalThis.OffscreenCanvas) return URL.createObjectURL(file);
  if (decoding >= AT_ONCE) await new Promise((resolve) => line.push(() => resolve(undefined)));
  decoding += 1;
  try {
    signal.throwIfAborted();
    return URL.createObjectURL(await shrunk(file));
  } finally {
    decoding -= 1;
    line.shift()?.();
  }
}

/** @param {File} file */
async function shrunk(file) {
  const bitmap = await createImageBitmap(file, { resizeWidth: WIDTH, resizeQuality: "medium" });
  try {
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
    return await canvas.convertToBlob({ type: "image/webp", quality: 0.9 });
  } finally {
    bitmap.close();
  }
}
