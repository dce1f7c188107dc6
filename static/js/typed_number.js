// A number as typed into the ticket, in the notations of wallets/forms.py: 71,283.5 · 71283.5 · 0,25.

const GROUPED = /^[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?$/;
const PLAIN = /^\d*[.,]?\d*$/;

/** The digits with one point; null when the text is no number. Which reading the server takes, its preview says. */
export function parseNumber(typed) {
  const text = typed.replace(/\s/g, "");
  const plain = GROUPED.test(text) ? text.replaceAll(",", "") : PLAIN.test(text) ? text.replace(",", ".") : "";
  return /\d/.test(plain) ? plain : null;
}
