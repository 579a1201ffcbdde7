// @ts-check
// Numbers as people read them.

const LOCALE = "en";
const BYTE_UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"];
const percents = new Intl.NumberFormat(LOCALE, { style: "percent", maximumFractionDigits: 0 });
const finePercents = new Intl.NumberFormat(LOCALE, { style: "percent", maximumFractionDigits: 1 });
const exact = new Intl.NumberFormat(LOCALE);

/** @param {number} bytes "4.2 MB" */
export function formatBytes(bytes) {
  const power = bytes < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return new Intl.NumberFormat(LOCALE, {
    style: "unit",
    unit: BYTE_UNITS[power],
    unitDisplay: power ? "short" : "long",
    maximumFractionDigits: value < 10 && power ? 1 : 0,
  }).format(value);
}

/** @param {number} percent 0 to 100 */
export function formatPercent(percent) {
  return percents.format(percent / 100);
}

/** How much less (or more) came out than went in. @param {number} before @param {number} after */
export function formatChange(before, after) {
  const share = before ? Math.abs(before - after) / before : 0;
  return (share > 0.99 && share < 1 ? finePercents : percents).format(share);
}

/** @param {number} bytes "4,379,037" */
export function formatExactly(bytes) {
  return exact.format(bytes);
}

/** @param {number} seconds "4 s", "3 min" */
export function formatSeconds(seconds) {
  return seconds < 90 ? `${Math.max(1, Math.ceil(seconds))} s` : `${Math.round(seconds / 60)} min`;
}

/** @param {{width: number, height: number}} size */
export function formatSize({ width, height }) {
  return `${width}\u2009×\u2009${height}`; // thin spaces
}
