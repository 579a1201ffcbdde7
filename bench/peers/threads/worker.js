// One thread, one picture at a time.

import { parentPort } from "node:worker_threads";

import sharp from "sharp";

sharp.concurrency(1);
sharp.cache(false);

parentPort.on("message", async ({ source, options }) => {
  try {
    parentPort.postMessage({ progress: 10 });
    const result = await sharp(source)
      .rotate()
      .resize({ width: options.resize.width, withoutEnlargement: true })
      .webp({ quality: options.quality, effort: options.effort })
      .toFile(`${source}.webp`);
    parentPort.postMessage({
      result: { width: result.width, height: result.height, bytes: result.size },
    });
  } catch (error) {
    parentPort.postMessage({ error: error.message });
  }
});
