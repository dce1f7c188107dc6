// What the ticket would send, checked in the browser at each input: the submit button names the order in the fields, or is
// disabled with the reason. The server checks again, at the preview and at the order.

import { fixed } from "./format.js";
import { parseTyped, priceBand, readingsOf } from "./numbers.js";

const TRIGGERED = { stop: "stop", take: "take profit" };

const decimalsOf = (text) => (text.split(".")[1] || "").replace(/0+$/, "").length;
const figure = (text, least = 0) => fixed(text, Math.max(decimalsOf(text), least));

function field(form, name, missing) {
  const typed = form.elements[name].value.trim();
  if (!typed) return { reason: missing };
  const mark = Number(form.dataset.mark);
  const number = parseTyped(typed, name !== "size" && mark ? priceBand(mark) : null);
  const readings = readingsOf(typed);
  if (number === null && readings) return { reason: `Enter ${readings.join(" or ")} as the ${name.replace("_price", " price")}` };
  if (number === null) return { reason: `Enter a number as the ${name.replace("_price", " price")}` };
  return Number(number) > 0 ? { number } : { reason: `${missing.replace("Enter a", "Enter a positive")}` };
}

/** {text} of the order in the fields, or {reason}: why there is none. */
export function orderOf(form) {
  const kind = form.elements.kind.value;
  const withLimit = kind === "limit" || (kind in TRIGGERED && form.elements.with_limit.checked);
  const size = field(form, "size", "Enter a size");
  const price = withLimit ? field(form, "price", "Enter a price") : {};
  const trigger = kind in TRIGGERED ? field(form, "trigger_price", "Enter a trigger price") : {};
  const reason = trigger.reason || price.reason || size.reason;
  if (reason) return { reason };
  const decimals = Number(form.dataset.decimals);
  const side = form.elements.side.value === "sell" ? "Sell" : "Buy";
  const amount = `${figure(size.number)} ${form.dataset.base}`;
  if (kind in TRIGGERED) {
    const name = TRIGGERED[kind] + (withLimit ? " limit" : "");
    return { text: `${side} ${name} ${amount}, trigger ${figure(trigger.number, decimals)}` };
  }
  return { text: kind === "market" ? `${side} ${amount} at market` : `${side} ${amount} at ${figure(price.number, decimals)}` };
}

/** Why the market or the connection allows no entry now; empty when they allow it. Exits are still sent. */
export function blockOf(form) {
  const isExit = form.elements.kind.value in TRIGGERED || Boolean(form.elements.reduce_only?.checked);
  if (isExit) return "";
  const state = document.getElementById("stream-state")?.dataset.state;
  if (state === "down" || state === "late" || !navigator.onLine) return "No connection";
  return document.querySelector(".area-head[data-stale]") ? "Prices are out of date" : "";
}
