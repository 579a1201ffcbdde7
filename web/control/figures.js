// @ts-check
// Figures of the control room as people read them.

const LOCALE = "en";
const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat(LOCALE, { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const day = new Intl.DateTimeFormat(LOCALE, { month: "short", day: "numeric" });

/** @param {number} count "12,345" */
export const formatCount = (count) => whole.format(count);

/** @param {number} count "12.3K" where it must be short */
export const formatShort = (count) => (count < 10_000 ? whole : short).format(count);

/** @param {number} rate "0.4", "12" */
export const formatRate = (rate) => (rate && rate < 10 ? fine : whole).format(rate);

/** @param {number | null} milliseconds "85 ms", "1.4 s", "3 min" */
export function formatDuration(milliseconds) {
  if (milliseconds === null) return "–";
  if (milliseconds < 1000) return `${(milliseconds < 10 ? fine : whole).format(milliseconds)} ms`;
  if (milliseconds < 90_000) return `${(milliseconds < 10_000 ? fine : whole).format(milliseconds / 1000)} s`;
  if (milliseconds < 5_400_000) return `${whole.format(milliseconds / 60_000)} min`;
  return `${fine.format(milliseconds / 3_600_000)} h`;
}

/** @param {string} iso "14:03:09", with the day where it is another one @param {Date} [now] */
export function formatWhen(iso, now = new Date()) {
  const moment = new Date(iso);
  const isToday = moment.toDateString() === now.toDateString();
  return isToday ? clock.format(moment) : `${day.format(moment)}, ${clock.format(moment)}`;
}
