// A picture from its address to a file, within bounds of time and size.

import { createWriteStream } from "node:fs";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

const TIMEOUT_MS = 120_000;
const MOST_BYTES = 100 * 1024 * 1024;

export class Refused extends Error {} // asking again would be answered alike

export const fetched = async (url, target) => {
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) {
    await response.body?.cancel();
    const Kind = response.status < 500 && response.status !== 429 ? Refused : Error;
    throw new Kind(`${url} answered ${response.status}`);
  }
  await pipeline(Readable.fromWeb(response.body), limited(), createWriteStream(target));
};

const limited = () => {
  let bytes = 0;
  return new Transform({
    transform(piece, _encoding, done) {
      bytes += piece.length;
      if (bytes > MOST_BYTES) done(new Refused(`more than ${MOST_BYTES} bytes`));
      else done(null, piece);
    },
  });
};
