// @ts-check
// The same request as a command for a POSIX shell.

import { requestOf } from "./options.js";

/** @param {{url: string, fileName: string, options: object}} request */
export function curlFor({ url, fileName, options }) {
  const file = `file=@"${fileName.replace(/["\\]/g, "\\$&")}"`; // curl's own quoting, for names with ; or ,
  return [
    `curl ${quoted(url)}`,
    `-H ${quoted("Prefer: respond-async")}`,
    `--form-string ${quoted(field(options))}`,
    `-F ${quoted(file)}`,
  ].join(" \\\n  ");
}

/** @param {object} options */
function field(options) {
  const [[name, value]] = Object.entries(requestOf(options));
  return `${name}=${name === "preset" ? value : JSON.stringify(value)}`;
}

/** @param {string} text */
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
