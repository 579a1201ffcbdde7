// @ts-check
// The same request for other hands: as a command for a POSIX shell, as a Python program of its standard library.

import { requestOf } from "./options.js";

/**
 * @typedef {object} Request
 * @property {string} service its address, without a slash at the end
 * @property {string} name of the file
 * @property {string} type of the file, by the browser
 * @property {string | null} url instead of a file
 * @property {object} options
 * @property {boolean} needsKey
 */

/** @param {Request} request */
export function curlFor({ service, name, url, options, needsKey }) {
  const key = needsKey ? [`-H "Authorization: Bearer $SAFELIGHT_KEY"`] : [];
  if (url) {
    const body = JSON.stringify({ imageUrl: url, ...requestOf(options) });
    return lines(`curl ${quoted(`${service}/process`)}`, ...key, `-H 'Content-Type: application/json'`, `-d ${quoted(body)}`);
  }
  const file = `file=@"${name.replace(/["\\]/g, "\\$&")}"`; // curl's own quoting, for names with ; or ,
  return lines(`curl ${quoted(`${service}/upload`)}`, ...key, `--form-string ${quoted(field(options))}`, `-F ${quoted(file)}`);
}

/** @param {Request} request */
export function pythonFor({ service, name, type, url, options, needsKey }) {
  const key = needsKey ? `, "Authorization": f"Bearer {os.environ['SAFELIGHT_KEY']}"` : "";
  const imports = `import json\n${needsKey ? "import os\n" : ""}`;
  const wish = requestOf(options);
  if (url) {
    return `${imports}from urllib.request import Request, urlopen

wish = ${literal({ imageUrl: url, ...wish })}
headers = {"Content-Type": "application/json"${key}}
request = Request(${literal(`${service}/process`)}, json.dumps(wish).encode(), headers)
with urlopen(request) as answer:
    print(json.load(answer))
`;
  }
  const [[word, value]] = Object.entries(wish);
  const told = word === "preset" ? "preset" : "json.dumps(options)";
  return `${imports}from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

path = Path(${literal(name)})
${word} = ${literal(value)}
query = urlencode({"name": path.name, "${word}": ${told}})
headers = {"Content-Type": ${literal(type.startsWith("image/") ? type : "image/*")}${key}}
request = Request(f"${service}/upload?{query}", path.read_bytes(), headers)
with urlopen(request) as answer:
    print(json.load(answer))
`;
}

/** @param {...string} parts */
function lines(...parts) {
  return parts.join(" \\\n  ");
}

/** @param {object} options */
function field(options) {
  const [[name, value]] = Object.entries(requestOf(options));
  return `${name}=${name === "preset" ? value : JSON.stringify(value)}`;
}

/** For a shell. @param {string} text */
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A value of JSON as Python writes it. @param {unknown} value @returns {string} */
function literal(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value); // a text of JSON is one of Python, too
  return `{${Object.entries(value).map(([name, part]) => `${JSON.stringify(name)}: ${literal(part)}`).join(", ")}}`;
}
