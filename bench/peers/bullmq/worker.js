// One BullMQ worker a process, one picture at a time, one libvips thread.

import { Worker } from "bullmq";
import sharp from "sharp";

const { REDIS_SOCKET } = process.env;
sharp.concurrency(1);
sharp.cache(false);

const worker = new Worker(
  "pictures",
  async (job) => {
    const { source, options } = job.data;
    await job.updateProgress(10);
    const result = await sharp(source)
      .rotate()
      .resize({ width: options.resize.width, withoutEnlargement: true })
      .webp({ quality: options.quality, effort: options.effort })
      .toFile(`${source}.webp`);
    await job.updateProgress(90);
    return { width: result.width, height: result.height, bytes: result.size };
  },
  { connection: { path: REDIS_SOCKET }, concurrency: 1 },
);
await worker.waitUntilReady();
process.send("ready");
process.on("disconnect", () => process.exit(0));
