// @ts-check
// The same request as a command for a POSIX shell.

/** @param {{url: string, fileName: string, options: object}} request */
export function curlFor({ url, fileName, options }) {
  const file = `file=@"${fileName.replace(/["\\]/g, "\\$&")}"`; // curl's own quoting, for names with ; or ,
  return [
    `curl ${quoted(url)}`,
    `-H ${quoted("Prefer: respond-async")}`,
    `--form-string ${quoted(`options=${JSON.stringify(options)}`)}`,
    `-F ${quoted(file)}`,
  ].join(" \\\n  ");
}

/** @param {string} text */
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
