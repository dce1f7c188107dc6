// How figures are written. The server's half is market/domain/formatting.py; tests/data/format_cases.json
// holds both to the same answers. Decimal strings are rounded as strings: floats would differ in the last digit.

const MINUS = "\u2212";
export const UNKNOWN = "\u2013";
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

/** Whole number of 10 ** -decimals, rounded half away from zero. */
function rounded(number, decimals) {
  if (number.scale <= decimals) return number.digits * 10n ** BigInt(decimals - number.scale);
  const cut = 10n ** BigInt(number.scale - decimals);
  return (number.digits + cut / 2n) / cut;
}

function write(number, decimals, signed) {
  const units = rounded(number, decimals);
  const text = units.toString().padStart(decimals + 1, "0");
  const whole = text.slice(0, text.length - decimals).replace(/\B(?=(\d{3})+$)/g, ",");
  const sign = units === 0n ? "" : number.negative ? MINUS : signed ? "+" : "";
  return sign + whole + (decimals ? "." + text.slice(-decimals) : "");
}

export function fixed(value, decimals, signed = false) {
  const number = parse(value);
  return number ? write(number, decimals, signed) : UNKNOWN;
}

export function compact(value) {
  const number = parse(value);
  if (!number) return UNKNOWN;
  for (let step = 0; ; step += 1) {
    const scaled = { ...number, scale: number.scale + 3 * step };
    const places = scaled.digits >= 100n * 10n ** BigInt(scaled.scale) ? 1 : 2;
    const fits = rounded(scaled, places) < 1000n * 10n ** BigInt(places);
    if (fits || step === UNITS.length - 1) return write(scaled, places, false) + UNITS[step];
  }
}

export function age(milliseconds) {
  if (milliseconds === null || milliseconds === undefined || !Number.isFinite(milliseconds)) return UNKNOWN;
  const tenths = Math.max(0, Math.floor(milliseconds / 100));
  if (tenths < 100) return `${Math.floor(tenths / 10)}.${tenths % 10} s`;
  const seconds = Math.floor(tenths / 10);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${minutes % 60} m`;
  return `${Math.floor(minutes / 1440)} d`;
}

function pct(value, decimals) {
  const text = fixed(value, decimals, true);
  return text === UNKNOWN ? text : text + "%";
}

/** "up", "down" or "flat" of the figure as it is written: what rounds to zero is flat. */
export function direction(value, decimals = 2) {
  const number = parse(value);
  if (!number || rounded(number, decimals) === 0n) return "flat";
  return number.negative ? "down" : "up";
}

const FORMATS = {
  price: fixed,
  qty: fixed,
  money: (value) => fixed(value, 2),
  pct: (value) => pct(value, 2),
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
  const at = new Date(milliseconds);
  return [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()].map(twoDigits).join(":");
}
