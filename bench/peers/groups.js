// A body of many lines of JSON, read as it comes and handed on in groups.

import { createInterface } from "node:readline";

export async function* groups(stream, most) {
  let group = [];
  for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
    if (line) group.push(JSON.parse(line));
    if (group.length === most) {
      yield group;
      group = [];
    }
  }
  if (group.length) yield group;
}
