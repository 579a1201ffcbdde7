// sharp without a service around it: a line of JSON a picture, and the CPU time it took.

import { createInterface } from "node:readline";
import sharp from "sharp";

sharp.concurrency(1);
sharp.cache(false);

for await (const line of createInterface({ input: process.stdin })) {
  const { source, target, width, quality, effort } = JSON.parse(line);
  const began = process.cpuUsage();
  await sharp(source)
    .rotate()
    .resize({ width, withoutEnlargement: true })
    .webp({ quality, effort })
    .toFile(target);
  const { user, system } = process.cpuUsage(began);
  process.stdout.write(`${JSON.stringify({ cpuS: (user + system) / 1e6 })}\n`);
}
