// @ts-check
// Styles of what is not there when the page opens; they come with its code.

/** Resolves when the style holds; asked for again it is the same one. @param {string} name in web/style @returns {Promise<void>} */
export function stylesheet(name) {
  const href = `/web/style/${name}.css`;
  if (document.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  const link = document.createElement("link");
  return new Promise((resolve, reject) => {
    link.onload = () => resolve();
    link.onerror = () => {
      link.remove(); // so that it is tried again
      reject(new Error(`${href} did not come`));
    };
    link.rel = "stylesheet";
    link.href = href;
    document.head.append(link);
  });
}
