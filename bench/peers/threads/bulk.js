// Long lists of addresses: they wait in this process, some are fetched ahead of the threads.

import { randomUUID } from "node:crypto";
import { join } from "node:path";

import { fetched } from "../fetched.js";
import { groups } from "../groups.js";

const GROUP = 500;
const FETCHES = 8; // at a time
const AHEAD = 16; // pictures that may wait for a thread

export class Bulk {
  #lines = []; // groups, so that taking the first of many is cheap
  #fetching = 0;

  // hand(job): to the threads. waiting(): how many wait for them. settle(job, fields): it ended.
  constructor({ redis, folder, keepS, hand, waiting, settle }) {
    Object.assign(this, { redis, folder, keepS, hand, waiting, settle });
  }

  async take(stream, options) {
    const name = randomUUID();
    const batchId = `batch-${name}`;
    let total = 0;
    for await (const group of groups(stream, GROUP)) {
      const jobs = group.map(({ imageUrl }, place) => {
        const jobId = `${name}-${total + place}`;
        return { jobId, batchId, url: imageUrl, source: join(this.folder, jobId), options };
      });
      total += group.length;
      const noted = this.redis.pipeline().hset(`batch:${batchId}`, { total });
      for (const { jobId } of jobs) {
        noted.hset(`job:${jobId}`, { status: "queued", progress: 0 });
        noted.expire(`job:${jobId}`, Math.max(this.keepS, 24 * 3600));
      }
      await noted.exec();
      this.#lines.push(jobs.reverse()); // the next is the last
      this.fill();
    }
    await this.redis.expire(`batch:${batchId}`, Math.max(this.keepS, 24 * 3600));
    return { jobId: batchId, accepted: total };
  }

  async state(batchId) {
    const found = await this.redis.hgetall(`batch:${batchId}`);
    if (found.total === undefined) return null;
    const { total, completed = 0, failed = 0, cancelled = 0 } = found;
    const isOver = +completed + +failed + +cancelled >= +total;
    return {
      status: isOver ? "completed" : "processing",
      total: +total,
      counts: { completed: +completed, failed: +failed, cancelled: +cancelled },
    };
  }

  async cancel(batchId) {
    const state = await this.state(batchId);
    const mine = this.#lines.filter(([first]) => first?.batchId === batchId);
    this.#lines = this.#lines.filter(([first]) => first?.batchId !== batchId);
    for (const jobs of mine) {
      const noted = this.redis.pipeline().hincrby(`batch:${batchId}`, "cancelled", jobs.length);
      for (const { jobId } of jobs) {
        noted.hset(`job:${jobId}`, { status: "cancelled" }).expire(`job:${jobId}`, this.keepS);
      }
      await noted.exec();
    }
    return state;
  }

  fill() {
    while (this.#fetching < FETCHES && this.waiting() < AHEAD && this.#lines.length) {
      const job = this.#lines[0].pop();
      if (this.#lines[0].length === 0) this.#lines.shift();
      this.#fetching += 1;
      this.#fetch(job).finally(() => {
        this.#fetching -= 1;
        this.fill();
      });
    }
  }

  async #fetch(job) {
    try {
      await fetched(job.url, job.source);
    } catch (error) {
      await this.settle(job, { status: "failed", error: error.message });
      return;
    }
    this.hand(job);
  }
}
