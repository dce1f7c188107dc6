// Reading of typed numbers, the same as number_typed of core/numbers.py; tests/data/number_cases.json tests both.

import { MINUS } from "./format.js";

const MAX_LENGTH = 60;
const PLAIN = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)$/;
const COMMA_AND_THREE_DIGITS = /^[+-]?[1-9][0-9]{0,2},[0-9]{3}$/;
const GROUPED = /^[+-]?[1-9][0-9]{0,2}(?:([,.'])[0-9]{3})(?:\1[0-9]{3})*(?:(?!\1)[.,][0-9]+)?$/;
const BLANKS = /[ \t\u00a0\u2009\u202f]/g;

const simplified = (typed) => typed.replace(BLANKS, "").replaceAll(MINUS, "-").replaceAll("\u2019", "'");

/** Both readings of a comma before exactly three digits, as thousands and as decimals; null for other texts. */
export function readingsOf(typed) {
  const text = simplified(typed);
  return COMMA_AND_THREE_DIGITS.test(text) ? [text.replace(",", ""), text.replace(",", ".")] : null;
}

/** The number as plain text ("1234.5"), or null. `band` is [low, high] of plausible values, as numbers. */
export function parseTyped(typed, band = null) {
  let text = simplified(typed);
  if (text.length > MAX_LENGTH) return null;
  const readings = readingsOf(typed);
  if (readings) {
    const found = band ? readings.filter((reading) => band[0] <= Number(reading) && Number(reading) <= band[1]) : [];
    return found.length === 1 ? found[0] : null;
  }
  const separators = text.match(/[.,']/g) || [];
  if (separators.length > 1) {
    if (!GROUPED.test(text)) return null;
    const last = separators.at(-1);
    const cut = last === separators[0] ? text.length : text.lastIndexOf(last);
    const decimals = text.slice(cut + 1);
    text = text.slice(0, cut).replaceAll(separators[0], "") + (decimals ? "." + decimals : "");
  } else if (separators[0] === ",") {
    text = text.replace(",", ".");
  }
  return PLAIN.test(text) ? text : null;
}

/** The plausible prices at a mark price, as price_band of core/numbers.py. */
export function priceBand(mark) {
  return [mark / 10, mark * 10];
}
