// Removes pictures that are older than they are kept for: a look now and then, as cron would.

import { opendir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";

export const sweepOften = (folder, keepS, also = async () => {}) => {
  const everyMs = Math.min(60_000, Math.max(1000, keepS * 100));
  const sweep = async () => {
    for await (const entry of await opendir(folder)) {
      const path = join(folder, entry.name);
      const { mtimeMs } = await stat(path);
      if (Date.now() - mtimeMs > keepS * 1000) await unlink(path);
    }
    await also();
    setTimeout(sweep, everyMs);
  };
  setTimeout(sweep, everyMs);
};
