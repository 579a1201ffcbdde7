// Long lists of addresses: a queue of their own, so that uploads do not stand behind them.
// A batch is a hash in Redis; the workers count in it.

import { randomUUID } from "node:crypto";
import { join } from "node:path";

import { groups } from "../groups.js";

const GROUP = 500;

export const routeBulk = (app, { queue, redis, folder, keepS }) => {
  app.addContentTypeParser("application/x-ndjson", (request, payload, done) => done(null, payload));

  app.post("/process", async (request, reply) => {
    const name = randomUUID();
    const batchId = `batch-${name}`;
    const options = JSON.parse(request.query.options);
    let total = 0;
    for await (const group of groups(request.body, GROUP)) {
      const jobs = group.map(({ imageUrl }, place) => {
        const jobId = `${name}-${total + place}`;
        const data = { url: imageUrl, batchId, source: join(folder, jobId), options };
        return { name: "develop", data, opts: { jobId } };
      });
      await queue.addBulk(jobs);
      total += group.length;
      await redis.hset(`batch:${batchId}`, { total });
    }
    await redis.expire(`batch:${batchId}`, Math.max(keepS, 24 * 3600));
    return reply.code(202).send({ jobId: batchId, accepted: total });
  });
};

export const batchState = async (redis, batchId) => {
  const found = await redis.hgetall(`batch:${batchId}`);
  if (found.total === undefined) return null;
  const { total, completed = 0, failed = 0, cancelled = 0 } = found;
  const isOver = +completed + +failed + +cancelled >= +total;
  return {
    status: isOver ? "completed" : "processing",
    total: +total,
    counts: { completed: +completed, failed: +failed, cancelled: +cancelled },
  };
};

// The workers pass over what is left: to remove one waiting job BullMQ looks through all of them.
export const cancelBatch = async (redis, batchId) => {
  await redis.hset(`batch:${batchId}`, { stopped: 1 });
  return batchState(redis, batchId);
};
