// @ts-check
// What each part of the map looks like, drawn with the colour of the text beside it.

/** @param {string} drawing */
const icon = (drawing) =>
  `<svg class="icon part-icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${drawing}</svg>`;

/** @type {Readonly<Record<import("./parts.js").PartName, string>>} */
export const partIcons = Object.freeze({
  browser: icon(`<rect x="3" y="4.5" width="18" height="15" rx="2.5"/><path d="M3 9h18M6 6.8h.1M8.5 6.8h.1"/>`),
  api: icon(`<path d="M8 5 3 12l5 7M16 5l5 7-5 7M13.5 4l-3 16"/>`),
  storage: icon(`<path d="M4 8.5 12 4l8 4.5v7L12 20l-8-4.5zM4 8.5l8 4.5 8-4.5M12 13v7"/>`),
  notification: icon(`<path d="M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 1.5h-15zM10 20.5h4"/>`),
  queue: icon(`<rect x="3" y="8" width="4.4" height="8" rx="1.2"/><rect x="9.8" y="8" width="4.4" height="8" rx="1.2"/><rect x="16.6" y="8" width="4.4" height="8" rx="1.2"/>`),
  workers: icon(`<circle cx="12" cy="12" r="3.2"/><path d="M12 3v3.2M12 17.8V21M3 12h3.2M17.8 12H21M5.6 5.6l2.3 2.3M16.1 16.1l2.3 2.3M18.4 5.6l-2.3 2.3M7.9 16.1l-2.3 2.3"/>`),
  database: icon(`<ellipse cx="12" cy="6" rx="7.5" ry="2.8"/><path d="M4.5 6v12c0 1.6 3.4 2.8 7.5 2.8s7.5-1.2 7.5-2.8V6M4.5 12c0 1.6 3.4 2.8 7.5 2.8s7.5-1.2 7.5-2.8"/>`),
});
