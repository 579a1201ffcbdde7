// Express takes pictures to disk, a pool of worker_threads runs sharp, a Redis hash holds each job,
// Redis pub/sub carries its events to the watchers on ws. What waits, waits in this process.
// PORT, REDIS_SOCKET, FOLDER, WORKERS, MAX_WAITING and KEEP_S come from the environment.

import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Worker } from "node:worker_threads";

import express from "express";
import { Redis } from "ioredis";
import { WebSocketServer } from "ws";

import { sweepOften } from "../sweep.js";
import { Bulk } from "./bulk.js";

const { PORT, REDIS_SOCKET, FOLDER, WORKERS } = process.env;
const MAX_WAITING = Number(process.env.MAX_WAITING);
const KEEP_S = Number(process.env.KEEP_S);

await mkdir(FOLDER, { recursive: true });
const redis = new Redis({ path: REDIS_SOCKET });
const subscriber = new Redis({ path: REDIS_SOCKET });

const waiting = [];
const idle = [];

const note = (jobId, fields, batchId) => {
  const noted = redis
    .multi()
    .hset(`job:${jobId}`, fields)
    .expire(`job:${jobId}`, KEEP_S)
    .publish(`events:${jobId}`, JSON.stringify({ type: "job", jobId, ...fields }));
  if (batchId) noted.hincrby(`batch:${batchId}`, fields.status, 1);
  return noted.exec();
};

const next = () => {
  while (idle.length && waiting.length) {
    const worker = idle.pop();
    worker.job = waiting.shift();
    worker.postMessage(worker.job);
  }
  bulk.fill();
};

const bulk = new Bulk({
  redis,
  folder: FOLDER,
  keepS: KEEP_S,
  hand: (job) => {
    waiting.push(job);
    next();
  },
  waiting: () => waiting.length,
  settle: ({ jobId, batchId }, fields) => note(jobId, fields, batchId),
});

const start = () => {
  const worker = new Worker(join(import.meta.dirname, "worker.js"));
  worker.on("message", async (message) => {
    if (message.progress !== undefined) {
      await note(worker.job.jobId, { status: "processing", progress: message.progress });
      return;
    }
    const { jobId, batchId } = worker.job;
    idle.push(worker);
    next();
    await note(
      jobId,
      message.error
        ? { status: "failed", error: message.error }
        : { status: "completed", progress: 100, ...message.result },
      batchId,
    );
  });
  worker.on("error", start); // a thread that dies is replaced; its picture is lost
  return new Promise((ready) => {
    worker.once("online", () => {
      idle.push(worker);
      ready();
    });
  });
};

const app = express();
app.post("/upload", async (request, response) => {
  if (waiting.length >= MAX_WAITING) {
    response.status(429).set("Retry-After", "1").json({ error: "too many jobs wait" });
    return;
  }
  const jobId = randomUUID();
  const source = join(FOLDER, jobId);
  await pipeline(request, createWriteStream(source));
  await note(jobId, { status: "queued", progress: 0 });
  waiting.push({ jobId, source, options: JSON.parse(request.query.options) });
  next();
  response.status(202).json({ status: "processing", jobId });
});
app.post("/process", async (request, response) => {
  response.status(202).json(await bulk.take(request, JSON.parse(request.query.options)));
});
app.get("/status/:id", async (request, response) => {
  const { id } = request.params;
  const isBatch = id.startsWith("batch-");
  const found = isBatch ? await bulk.state(id) : await redis.hgetall(`job:${id}`);
  if (found?.total ?? found?.status) response.json(found);
  else response.status(404).json({ error: "no such job" });
});
app.delete("/job/:id", async (request, response) => {
  if (request.params.id.startsWith("batch-")) {
    response.json(await bulk.cancel(request.params.id));
    return;
  }
  const place = waiting.findIndex(({ jobId }) => jobId === request.params.id);
  if (place < 0) {
    response.status(409).json({ error: "it does not wait" });
    return;
  }
  waiting.splice(place, 1);
  await note(request.params.id, { status: "cancelled" });
  response.status(204).end();
});
app.use("/image", express.static(FOLDER));

const watchers = new Map(); // job id -> sockets
const MOST_UNREAD = 1024 * 1024;
subscriber.on("message", (channel, text) => {
  const data = Buffer.from(text); // once, not for each socket
  for (const socket of watchers.get(channel.slice("events:".length)) ?? []) {
    if (socket.bufferedAmount > MOST_UNREAD) socket.terminate();
    else socket.send(data, { binary: false });
  }
});

const http = createServer(app);
const server = new WebSocketServer({ server: http, path: "/ws" });
server.on("connection", (socket) => {
  const watched = new Set();
  const leave = async (jobId) => {
    const sockets = watchers.get(jobId);
    sockets?.delete(socket);
    if (sockets?.size === 0) {
      watchers.delete(jobId);
      await subscriber.unsubscribe(`events:${jobId}`);
    }
  };
  socket.on("message", async (data) => {
    const { type, jobId } = JSON.parse(data);
    if (type === "unsubscribe" && watched.delete(jobId)) await leave(jobId);
    if (type !== "subscribe") return;
    watched.add(jobId);
    let sockets = watchers.get(jobId);
    if (!sockets) {
      watchers.set(jobId, (sockets = new Set()));
      sockets.confirmed = subscriber.subscribe(`events:${jobId}`); // by the first alone
    }
    sockets.add(socket);
    await sockets.confirmed;
    const found = await redis.hgetall(`job:${jobId}`);
    if (found.status) socket.send(JSON.stringify({ type: "job", jobId, ...found }));
  });
  socket.on("close", async () => {
    for (const jobId of watched) await leave(jobId);
  });
});

await Promise.all(Array.from({ length: Number(WORKERS) }, start));
sweepOften(FOLDER, KEEP_S);
http.listen(Number(PORT), "127.0.0.1", () => console.log("ready"));
process.on("SIGTERM", () => process.exit(0));
