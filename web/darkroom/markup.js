// @ts-check
// A finished picture as HTML for a page of one's own.

const SOURCE_TYPES = ["avif", "webp"]; // what an <img> alone cannot be sure of

/**
 * @param {import("../client.js").Job} job a completed one
 * @param {{name: string, absolute: (path: string) => string}} settings
 */
export function pictureMarkup({ html, variants = [] }, { name, absolute }) {
  const alt = escaped(name.replace(/\.[^.]*$/, ""));
  if (html) return html.replace(/(src|srcset)="([^"]*)"/g, (_, attribute, urls) => `${attribute}="${allAbsolute(urls, absolute)}"`);
  const fallback = variants.find(({ format }) => !SOURCE_TYPES.includes(format)) ?? variants[0];
  const sources = variants.filter((one) => one !== fallback && SOURCE_TYPES.includes(one.format) && one.width === fallback.width);
  return [
    "<picture>",
    ...sources.map(({ url, format }) => `  <source srcset="${escaped(absolute(url))}" type="image/${format}">`),
    `  <img src="${escaped(absolute(fallback.url))}" width="${fallback.width}" height="${fallback.height}" alt="${alt}" loading="lazy" decoding="async">`,
    "</picture>",
  ].join("\n");
}

/** @param {string} urls one, or several with widths @param {(path: string) => string} absolute */
function allAbsolute(urls, absolute) {
  return urls.replace(/(^|,\s*)(\/[^\s,]+)/g, (_, before, path) => before + absolute(path));
}

/** @param {string} text */
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}
