// Fastify takes pictures to disk, BullMQ queues them, QueueEvents tell the watchers over ws.
// PORT, REDIS_SOCKET, FOLDER, WORKERS, MAX_WAITING and KEEP_S come from the environment.

import { fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";

import { Queue, QueueEvents } from "bullmq";
import Fastify from "fastify";
import { Redis } from "ioredis";
import { WebSocketServer } from "ws";

import { sweepOften } from "../sweep.js";
import { batchState, cancelBatch, routeBulk } from "./bulk.js";

const { PORT, REDIS_SOCKET, FOLDER, WORKERS } = process.env;
const MAX_WAITING = Number(process.env.MAX_WAITING);
const KEEP_S = Number(process.env.KEEP_S);
const MOST_UNREAD = 1024 * 1024; // bytes that a socket may owe
const connection = { path: REDIS_SOCKET };

await mkdir(FOLDER, { recursive: true });
const defaultJobOptions = {
  attempts: 3,
  backoff: { type: "exponential", delay: 1000 },
  removeOnComplete: { age: KEEP_S, count: 10000 },
  removeOnFail: { age: 24 * 3600 },
};
const queue = new Queue("pictures", { connection, defaultJobOptions });
const bulk = new Queue("bulk", { connection, defaultJobOptions });
const bothEvents = [queue, bulk].map(({ name }) => new QueueEvents(name, { connection }));
const redis = new Redis(connection);

const watchers = new Map(); // job id -> sockets
const tell = (jobId, event) => {
  const sockets = watchers.get(jobId);
  if (!sockets) return;
  const data = Buffer.from(JSON.stringify({ type: "job", jobId, ...event })); // once for all
  for (const socket of sockets) {
    if (socket.bufferedAmount > MOST_UNREAD) socket.terminate();
    else socket.send(data, { binary: false });
  }
};
for (const events of bothEvents) {
  events.on("active", ({ jobId }) => tell(jobId, { status: "processing", progress: 0 }));
  events.on("progress", ({ jobId, data }) => tell(jobId, { status: "processing", progress: data }));
  events.on("completed", ({ jobId, returnvalue }) =>
    tell(jobId, { status: "completed", progress: 100, ...returnvalue }),
  );
  events.on("failed", ({ jobId, failedReason }) =>
    tell(jobId, { status: "failed", error: failedReason }),
  );
}

const app = Fastify({ bodyLimit: 100 * 1024 * 1024 });
app.addContentTypeParser(/^image\//, (request, payload, done) => done(null, payload));

app.post("/upload", async (request, reply) => {
  if ((await queue.getWaitingCount()) >= MAX_WAITING) {
    return reply.code(429).header("Retry-After", "1").send({ error: "too many jobs wait" });
  }
  const jobId = randomUUID();
  const source = join(FOLDER, jobId);
  await pipeline(request.body, createWriteStream(source));
  const options = JSON.parse(request.query.options);
  await queue.add("develop", { source, options }, { jobId });
  return reply.code(202).send({ status: "processing", jobId });
});

const state = async (jobId) => {
  if (jobId.startsWith("batch-")) return batchState(redis, jobId);
  const job = (await queue.getJob(jobId)) ?? (await bulk.getJob(jobId));
  if (!job) return null;
  const status = await job.getState();
  return { status, progress: job.progress, ...(status === "completed" ? job.returnvalue : {}) };
};

app.get("/status/:id", async (request, reply) => {
  const found = await state(request.params.id);
  return found ?? reply.code(404).send({ error: "no such job" });
});

routeBulk(app, { queue: bulk, redis, folder: FOLDER, keepS: KEEP_S });

app.delete("/job/:id", async (request, reply) => {
  if (request.params.id.startsWith("batch-")) return cancelBatch(redis, request.params.id);
  const job = await queue.getJob(request.params.id);
  if (!(await job?.isWaiting())) return reply.code(409).send({ error: "it does not wait" });
  await job.remove();
  return reply.code(204).send();
});

app.get("/image/:id", (request, reply) =>
  reply.type("image/webp").send(createReadStream(join(FOLDER, `${request.params.id}.webp`))),
);

await Promise.all(bothEvents.map((events) => events.waitUntilReady()));
await app.listen({ port: Number(PORT), host: "127.0.0.1" });

const server = new WebSocketServer({ server: app.server, path: "/ws" });
server.on("connection", (socket) => {
  const watched = new Set();
  const leave = (jobId) => {
    watchers.get(jobId)?.delete(socket);
    if (watchers.get(jobId)?.size === 0) watchers.delete(jobId);
  };
  socket.on("message", async (data) => {
    const { type, jobId } = JSON.parse(data);
    if (type === "unsubscribe" && watched.delete(jobId)) leave(jobId);
    if (type !== "subscribe") return;
    watched.add(jobId);
    if (!watchers.has(jobId)) watchers.set(jobId, new Set());
    watchers.get(jobId).add(socket);
    const found = await state(jobId);
    if (found) socket.send(JSON.stringify({ type: "job", jobId, ...found }));
  });
  socket.on("close", () => {
    for (const jobId of watched) leave(jobId);
  });
});

const start = () => {
  const worker = fork(join(import.meta.dirname, "worker.js"));
  worker.on("exit", start); // a worker that dies is replaced
  return new Promise((ready) => worker.once("message", ready));
};
await Promise.all(Array.from({ length: Number(WORKERS) }, start));
sweepOften(FOLDER, KEEP_S, () =>
  Promise.all([queue, bulk].map((one) => one.clean(KEEP_S * 1000, 1000, "completed"))),
);
console.log("ready");
process.on("SIGTERM", () => process.exit(0));
