// A process: one uploaded picture at a time; of long lists four, so that one is developed while
// others are fetched. One libvips thread a picture.

import { UnrecoverableError, Worker } from "bullmq";
import { Redis } from "ioredis";
import sharp from "sharp";

import { fetched, Refused } from "../fetched.js";

const { REDIS_SOCKET } = process.env;
sharp.concurrency(1);
sharp.cache(false);

const connection = { path: REDIS_SOCKET };
const redis = new Redis(connection);

const develop = async (job) => {
  const { source, options } = job.data;
  await job.updateProgress(10);
  const result = await sharp(source)
    .rotate()
    .resize({ width: options.resize.width, withoutEnlargement: true })
    .webp({ quality: options.quality, effort: options.effort })
    .toFile(`${source}.webp`);
  await job.updateProgress(90);
  return { width: result.width, height: result.height, bytes: result.size };
};
const fetchAndDevelop = async (job) => {
  if (await redis.hexists(`batch:${job.data.batchId}`, "stopped")) return null;
  try {
    await fetched(job.data.url, job.data.source);
  } catch (error) {
    throw error instanceof Refused ? new UnrecoverableError(error.message) : error;
  }
  return develop(job);
};

const worker = new Worker("pictures", develop, { connection, concurrency: 1 });
const bulk = new Worker("bulk", fetchAndDevelop, { connection, concurrency: 4 });
bulk.on("completed", ({ data, returnvalue }) =>
  redis.hincrby(`batch:${data.batchId}`, returnvalue ? "completed" : "cancelled", 1),
);
bulk.on("failed", (job) => {
  if (job?.finishedOn) redis.hincrby(`batch:${job.data.batchId}`, "failed", 1); // not to be retried
});
await Promise.all([worker.waitUntilReady(), bulk.waitUntilReady()]);
process.send("ready");
process.on("disconnect", () => process.exit(0));
