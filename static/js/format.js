// Number formatting, the same as core/formatting.py; tests/data/format_cases.json tests both. Decimal
// strings are rounded as strings: floats would differ in the last digit.

export const MINUS = "\u2212";
const NO_VALUE = "\u2013";
const UNITS = ["", "K", "M", "B", "T"];
const NUMBER = /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d{1,3}))?$/;

/** {negative, digits, scale}: the value is digits / 10 ** scale. Null when the text is not a number. */
function parse(value) {
  const match = value === null || value === undefined ? null : NUMBER.exec(String(value));
  if (!match || !(match[2] || match[3])) return null;
  const scale = match[3].length - Number(match[4] || 0);
  const digits = BigInt((match[2] + match[3] || "0") + "0".repeat(Math.max(0, -scale)));
  return { negative: match[1] === "-", digits, scale: Math.max(0, scale) };
}

/** The value in units of 10 ** -decimals, rounded half away from zero. */
function roundTo(number, decimals) {
  if (number.scale <= decimals) return number.digits * 10n ** BigInt(decimals - number.scale);
  const divisor = 10n ** BigInt(number.scale - decimals);
  return (number.digits + divisor / 2n) / divisor;
}

function toText(number, decimals, signed) {
  const units = roundTo(number, decimals);
  const text = units.toString().padStart(decimals + 1, "0");
  const whole = text.slice(0, text.length - decimals).replace(/\B(?=(\d{3})+$)/g, ",");
  const sign = units === 0n ? "" : number.negative ? MINUS : signed ? "+" : "";
  return sign + whole + (decimals ? "." + text.slice(-decimals) : "");
}

export function fixed(value, decimals, signed = false) {
  const number = parse(value);
  return number ? toText(number, decimals, signed) : NO_VALUE;
}

function compact(value) {
  const number = parse(value);
  if (!number) return NO_VALUE;
  for (let step = 0; ; step += 1) {
    const scaled = { ...number, scale: number.scale + 3 * step };
    const decimals = scaled.digits >= 100n * 10n ** BigInt(scaled.scale) ? 1 : 2;
    const fits = roundTo(scaled, decimals) < 1000n * 10n ** BigInt(decimals);
    if (fits || step === UNITS.length - 1) return toText(scaled, decimals, false) + UNITS[step];
  }
}

export function age(milliseconds) {
  if (milliseconds === null || milliseconds === undefined || !Number.isFinite(milliseconds)) return NO_VALUE;
  const tenths = Math.max(0, Math.floor(milliseconds / 100));
  if (tenths < 100) return `${Math.floor(tenths / 10)}.${tenths % 10} s`;
  const seconds = Math.floor(tenths / 10);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${minutes % 60} m`;
  return `${Math.floor(minutes / 1440)} d`;
}

function percent(value, decimals) {
  const text = fixed(value, decimals, true);
  return text === NO_VALUE ? text : text + "%";
}

/** "up", "down" or "flat" of the rounded value: a value that rounds to zero is flat. */
export function direction(value, decimals = 2) {
  const number = parse(value);
  if (!number || roundTo(number, decimals) === 0n) return "flat";
  return number.negative ? "down" : "up";
}

const FORMATS = {
  price: fixed,
  qty: fixed,
  money: (value) => fixed(value, 2),
  pct: (value) => percent(value, 2),
  bp: (value) => fixed(value, 1),
  compact,
  age,
};

export function format(value, name, decimals = 2) {
  return (FORMATS[name] || fixed)(value, decimals);
}

const twoDigits = (number) => String(number).padStart(2, "0");

/** 14:32:07, UTC. */
export function clock(milliseconds) {
  const date = new Date(milliseconds);
  return [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(twoDigits).join(":");
}
