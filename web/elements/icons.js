// @ts-check
// Icons as markup for templates; drawn with the colour of the text beside them.

/** @param {string} drawing */
const icon = (drawing) =>
  `<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${drawing}</svg>`;

export const icons = Object.freeze({
  add: icon(`<path d="M12 5v14M5 12h14"/>`),
  auto: icon(`<circle cx="12" cy="12" r="8"/><path d="M12 4a8 8 0 0 1 0 16z" fill="currentColor"/>`),
  camera: icon(`<path d="M4 8h3l2-3h6l2 3h3v11H4z"/><circle cx="12" cy="13" r="3.5"/>`),
  check: icon(`<path d="m5 13 4.5 4.5L19 7"/>`),
  chevron: icon(`<path d="m7 10 5 5 5-5"/>`),
  close: icon(`<path d="m7 7 10 10M17 7 7 17"/>`),
  code: icon(`<path d="m8 7-5 5 5 5m8-10 5 5-5 5"/>`),
  copy: icon(`<path d="M9 9h10v11H9zM15 9V4H5v11h4"/>`),
  download: icon(`<path d="M12 4v11m-5-4.5 5 5 5-5M5 20h14"/>`),
  enlarge: icon(`<path d="M14 4h6v6M10 20H4v-6M20 4l-7 7M4 20l7-7"/>`),
  grip: icon(`<path d="m9 8-4 4 4 4m6-8 4 4-4 4"/>`),
  key: icon(`<circle cx="8" cy="15" r="4"/><path d="m11 12 8-8m-4 4 3 3m-6 0 2 2"/>`),
  link: icon(`<path d="M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6-.5l-3 3a4 4 0 0 0 6 6l1-1"/>`),
  minus: icon(`<path d="M5 12h14"/>`),
  moon: icon(`<path d="M19 14.5A8 8 0 0 1 9.5 5a7.5 7.5 0 1 0 9.5 9.5z"/>`),
  next: icon(`<path d="m10 6 6 6-6 6"/>`),
  pause: icon(`<path d="M9 6v12m6-12v12"/>`),
  play: icon(`<path d="M8 5.5v13l10.5-6.5z"/>`),
  previous: icon(`<path d="m14 6-6 6 6 6"/>`),
  retry: icon(`<path d="M19 12a7 7 0 1 1-2-5l2 2m0-5v5h-5"/>`),
  sun: icon(`<circle cx="12" cy="12" r="4"/><path d="M12 3v2m0 14v2M3 12h2m14 0h2M5.6 5.6 7 7m10 10 1.4 1.4M18.4 5.6 17 7M7 17l-1.4 1.4"/>`),
  terminal: icon(`<path d="m5 8 4 4-4 4m7 0h7"/>`),
  zip: icon(`<path d="M5 4h14v16H5zM12 4v2m0 2v2m0 2v2m-1.5 2h3v3h-3z"/>`),
  warning: icon(`<path d="M12 4 3 20h18zM12 10v5m0 2.4v.1"/>`),
});
