// Formats numbers and dates. Prices stay the published decimal text; floats are used only for positions.

const NARROW = "\u202f";
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const DAY = 86_400_000;

/** "2.3" → "2.30", "0.18024" → "0.18024": as published, with at least two decimals. */
export function decimals(text) {
  const [whole, part = ""] = text.split(".");
  return `${whole}.${part.padEnd(2, "0")}`;
}

export function isZero(text) {
  return text !== null && /^0(\.0*)?$/.test(text);
}

/** Format a price: 0 is free, and null is — (not published). */
export function price(text) {
  if (text === null || text === undefined) return "—";
  return isZero(text) ? "free" : decimals(text);
}

/** Group digits in threes with a narrow space; takes a number or digits. */
export function count(value) {
  if (value === null || value === undefined) return "—";
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, NARROW);
}

/** Format "+21.0 %" with a real minus; "n/a" where no percentage exists. */
export function percent(value) {
  if (value === null || value === undefined) return "n/a";
  const size = Math.abs(value);
  const digits = size !== 0 && size < 0.05 ? size.toPrecision(1) : size.toFixed(1);
  const [whole, part] = digits.includes("e") ? [digits] : digits.split(".");
  const text = part === undefined ? whole : `${count(whole)}.${part}`;
  const sign = value > 0 ? "+" : value < 0 ? "−" : "";
  return `${sign}${text}${NARROW}%`;
}

/** Format a share of 1 as "100 %" or "98.5 %"; never rounded up to 100. */
export function share(value) {
  if (value === null || value === undefined) return "—";
  const text = (Math.floor(value * 1000) / 10).toFixed(1).replace(/\.0$/, "");
  return `${text}${NARROW}%`;
}

export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

export function days(from, to) {
  return Math.round((Date.parse(to) - Date.parse(from)) / DAY);
}

export function plusDays(day, number) {
  return new Date(Date.parse(day) + number * DAY).toISOString().slice(0, 10);
}

export function today() {
  return new Date().toISOString().slice(0, 10);
}

export function weekday(day) {
  return WEEKDAYS[new Date(Date.parse(day)).getUTCDay()];
}

/** Format "20 May", with the year only where it differs from the others. */
export function shortDay(day, withYear = false) {
  const [year, month, date] = day.split("-");
  const text = `${Number(date)} ${MONTHS[Number(month) - 1]}`;
  return withYear ? `${text} ${year}` : text;
}

export function monthYear(day) {
  const [year, month] = day.split("-");
  return `${MONTHS[Number(month) - 1]} ${year}`;
}

/** Format the age of a snapshot in calendar days of UTC: "today", "1 day old", "2 days old". */
export function age(day) {
  const number = days(day, today());
  if (number <= 0) return "today";
  return number === 1 ? "yesterday" : `${count(number)} days old`;
}

/** Cut text that is longer than any cell; the model's panel shows all of it. */
export function cut(text, length = 160) {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

const PRICE_NAMES = {
  input_token_price: "input",
  output_token_price: "output",
  cache_write_token_price: "cache write",
  cache_read_token_price: "cache read",
};
const QUOTA_NAMES = {
  chat_daily_quota_tier_1: "chat",
  api_completions_daily_quota_tier_1: "API",
  embeddings_daily_quota_tier_1: "embeddings",
  audio_transcriptions_daily_quota_tier_1: "transcription",
  audio_speech_daily_quota_tier_1: "speech",
};
const OTHER_NAMES = { context_window: "context", min_access_tier: "access tier" };
export const PRICES = [
  "input_token_price",
  "output_token_price",
  "cache_read_token_price",
  "cache_write_token_price",
];
export const QUOTAS = Object.keys(QUOTA_NAMES);
/** The column that the live API publishes instead of quotas. */
export const ACCESS = "min_access_tier";

/** Return the short name of a column: "output", "chat", "context". */
export function field(column) {
  if (column === null) return "";
  const known = PRICE_NAMES[column] || QUOTA_NAMES[column];
  if (known) return known;
  if (column.startsWith("extra.")) return cut(column, 80); // a key of `extra`, which the API names
  return OTHER_NAMES[column] ?? column.replaceAll("_", " ");
}

export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Return a comparison of published numbers as text: free is the lowest, unpublished always comes last. */
export function byNumber(pick, descending) {
  return (a, b) => {
    const [x, y] = [pick(a), pick(b)];
    if (x === null || x === undefined) return y === null || y === undefined ? 0 : 1;
    if (y === null || y === undefined) return -1;
    return descending ? Number(y) - Number(x) : Number(x) - Number(y);
  };
}

export function byText(pick, descending) {
  const collator = new Intl.Collator("en", { sensitivity: "base", numeric: true });
  return (a, b) => {
    const [x, y] = [pick(a), pick(b)];
    if (x === null) return y === null ? 0 : 1;
    if (y === null) return -1;
    return descending ? collator.compare(y, x) : collator.compare(x, y);
  };
}
