// @ts-check
// Formats numbers and dates. Prices stay the published decimal text; floats are used only for positions.

const NARROW = "\u202f";
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const DAY = 86_400_000;

/**
 * "2.3" → "2.30", "0.18024" → "0.18024": as published, with at least two decimals.
 * @param {string} text
 */
export function decimals(text) {
  const [whole, part = ""] = text.split(".");
  return `${whole}.${part.padEnd(2, "0")}`;
}

/**
 * @param {string | null} text
 */
export function isZero(text) {
  return text !== null && /^0(\.0*)?$/.test(text);
}

/**
 * Format a price: 0 is free unless it is doubtful, and null is — (not published).
 * @param {string | null | undefined} text
 * @param {boolean} [doubtful]
 */
export function price(text, doubtful = false) {
  if (text === null || text === undefined) return "—";
  if (isZero(text)) return doubtful ? "0 (doubtful)" : "free";
  return decimals(text);
}

/**
 * Group digits in threes with a narrow space; takes a number or digits.
 * @param {number | string | null | undefined} value
 */
export function count(value) {
  if (value === null || value === undefined) return "—";
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, NARROW);
}

/**
 * Format "+21.0 %" with a real minus; "n/a" where no percentage exists.
 * @param {number | null | undefined} value
 */
export function percent(value) {
  if (value === null || value === undefined) return "n/a";
  const size = Math.abs(value);
  if (size >= 1e9) return `${value > 0 ? "+" : "−"}${size.toExponential(1).replace("e+", "e")}${NARROW}%`;
  let digits = size !== 0 && size < 0.05 ? size.toPrecision(1) : size.toFixed(1);
  if (digits === "100.0" && value < 0 && size < 100) digits = "99.9"; // only a fall to 0 is −100 %
  const [whole, part] = digits.includes("e") ? [digits] : digits.split(".");
  const text = part === undefined ? whole : `${count(whole)}.${part}`;
  const sign = value > 0 ? "+" : value < 0 ? "−" : "";
  return `${sign}${text}${NARROW}%`;
}

/**
 * Format a share of 1 as "100 %" or "98.5 %"; never rounded up to 100, nor down to 0.
 * @param {number | null | undefined} value
 */
export function share(value) {
  if (value === null || value === undefined) return "—";
  if (value > 0 && value < 0.001) return `<0.1${NARROW}%`;
  // A product of shares may be a little below what it stands for: 1/3 × 3/5 is 0.19999999999999998.
  const text = (Math.floor(value * 1000 + 1e-9) / 10).toFixed(1).replace(/\.0$/, "");
  return `${text}${NARROW}%`;
}

/**
 * Return why a model is not in a snapshot.
 * @param {boolean | null} [isRefused] whether it is in quarantine; null is unknown
 */
export function absence(isRefused) {
  return isRefused === null ? "perhaps in quarantine" : isRefused ? "in quarantine" : "removed";
}

/**
 * @param {number} number
 * @param {string} one
 * @param {string} [many]
 */
export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/**
 * @param {string} from
 * @param {string} to
 */
export function daysBetween(from, to) {
  return Math.round((Date.parse(to) - Date.parse(from)) / DAY);
}

/**
 * @param {string} day
 * @param {number} number
 */
export function plusDays(day, number) {
  return new Date(Date.parse(day) + number * DAY).toISOString().slice(0, 10);
}

/**
 * Return whether a text is a day of the calendar: browsers read 31 February as 3 March.
 * @param {string} text
 */
export function isDay(text) {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text)) && plusDays(text, 0) === text;
}

export function today() {
  return new Date().toISOString().slice(0, 10);
}

/**
 * @param {string} day
 */
export function weekday(day) {
  return WEEKDAYS[new Date(Date.parse(day)).getUTCDay()];
}

/**
 * Format "20 May", with the year only where it differs from the others.
 * @param {string} day
 * @param {boolean} [withYear]
 */
export function shortDay(day, withYear = false) {
  const [year, month, date] = day.split("-");
  const text = `${Number(date)} ${MONTHS[Number(month) - 1]}`;
  return withYear ? `${text} ${year}` : text;
}

/**
 * @param {string} day
 */
export function monthYear(day) {
  const [year, month] = day.split("-");
  return `${MONTHS[Number(month) - 1]} ${year}`;
}

/**
 * Format the age of a snapshot in calendar days of UTC: "today", "1 day old", "2 days old".
 * @param {string} day
 */
export function age(day) {
  const number = daysBetween(day, today());
  if (number <= 0) return "today";
  return number === 1 ? "yesterday" : `${count(number)} days old`;
}

/**
 * Format "2026-06-30 12:05", in UTC.
 * @param {string} text a time in ISO form
 */
export function minute(text) {
  return new Date(text).toISOString().slice(0, 16).replace("T", " ");
}

/**
 * Cut text that is longer than any cell; the model's panel shows all of it.
 * @param {string} text
 * @param {number} [length]
 */
export function cut(text, length = 160) {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

/** @type {Record<string, string>} */
const PRICE_NAMES = {
  input_token_price: "input",
  output_token_price: "output",
  cache_write_token_price: "cache write",
  cache_read_token_price: "cache read",
};
/** @type {Record<string, string>} */
const QUOTA_NAMES = {
  chat_daily_quota_tier_1: "chat",
  api_completions_daily_quota_tier_1: "API",
  embeddings_daily_quota_tier_1: "embeddings",
  audio_transcriptions_daily_quota_tier_1: "transcription",
  audio_speech_daily_quota_tier_1: "speech",
};
/** @type {Record<string, string>} */
const OTHER_NAMES = { context_window: "context", min_access_tier: "access tier" };
export const PRICES = ["input_token_price", "output_token_price", "cache_read_token_price", "cache_write_token_price"];
export const QUOTAS = Object.keys(QUOTA_NAMES);
/** The column that the live API publishes instead of quotas. */
export const ACCESS = "min_access_tier";

/**
 * Return the short name of a column: "output", "chat", "context".
 * @param {string | null} column
 */
export function field(column) {
  if (column === null) return "";
  const known = PRICE_NAMES[column] || QUOTA_NAMES[column];
  if (known) return known;
  if (column.startsWith("extra.")) return cut(column, 80); // a key of `extra`, which the API names
  return OTHER_NAMES[column] ?? column.replaceAll("_", " ");
}

/**
 * @param {string} text
 */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * @template M
 * @typedef {(pick: (model: M) => string | number | null, descending?: boolean) => (a: M, b: M) => number} Order
 */

/**
 * Return a comparison of published numbers as text: free is the lowest, unpublished always comes last.
 * @template M
 * @param {(model: M) => string | number | null} pick
 * @param {boolean} [descending]
 * @returns {(a: M, b: M) => number}
 */
export function byNumber(pick, descending = false) {
  return (a, b) => {
    const [x, y] = [pick(a), pick(b)];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    return descending ? Number(y) - Number(x) : Number(x) - Number(y);
  };
}

const COLLATOR = new Intl.Collator("en", { sensitivity: "base", numeric: true });

/**
 * Return a comparison of text; unpublished always comes last.
 * @template M
 * @param {(model: M) => string | number | null} pick
 * @param {boolean} [descending]
 * @returns {(a: M, b: M) => number}
 */
export function byText(pick, descending = false) {
  return (a, b) => {
    const [x, y] = [pick(a), pick(b)];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    return COLLATOR.compare(String(x), String(y)) * (descending ? -1 : 1);
  };
}

/**
 * Write a published value of any column.
 * @param {string | null} column
 * @param {string | null} value
 * @param {boolean} [doubtful] whether it is a doubtful 0
 */
export function anyValue(column, value, doubtful = false) {
  if (column !== null && PRICES.includes(column)) return price(value, doubtful);
  if (value === null) return "—";
  return /^\d+$/.test(value) ? count(value) : cut(value, 80);
}
