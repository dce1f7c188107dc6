// Bots: ages that count on between two readings, the question that a stop asks, the wizard, and what the chart
// draws of a bot.

import { age } from "./format.js";
import { setData, setText } from "./render.js";

const seen = new WeakMap(); // element → when its age was written, by our clock

export function start() {
  document.body.addEventListener("htmx:afterSwap", swapped);
  document.body.addEventListener("change", chosen);
  document.addEventListener("click", clicked);
}

/** Once a second: "heard 3 s ago" counts on, and is amber when it is too long ago. */
export function paintBotAges() {
  for (const element of document.querySelectorAll("[data-since]")) {
    if (!seen.has(element)) seen.set(element, performance.now());
    const elapsed = Number(element.dataset.since) + performance.now() - seen.get(element);
    setText(element, age(elapsed));
    const limit = Number(element.dataset.lateAfter);
    const heartbeat = limit && element.closest(".heartbeat");
    if (heartbeat && elapsed > limit) setData(heartbeat, "state", "late");
  }
}

/** What `#bot-marks` says, for the chart: lines of levels and orders, arrows of fills. Null without it. */
export function marks() {
  const element = document.getElementById("bot-marks");
  if (!element) return null;
  const found = { lines: [], fills: [] };
  for (const { value, dataset } of element.children) {
    const { mark, side } = dataset;
    if (mark === "fill") found.fills.push({ price: Number(value), side, time: Number(dataset.time) });
    else found.lines.push({ price: Number(value), side, waiting: mark === "waiting" });
  }
  return found;
}

function swapped({ detail }) {
  if (detail.target.id === "stop-dialog") detail.target.showModal();
}

function chosen({ target }) {
  // The button says again what was chosen.
  if (target.dataset.says) setText(document.getElementById("stop-submit"), target.dataset.says);
  // Another instrument has another chart: the page comes again, with everything that was typed.
  if (target.matches('#bot-form [name="wallet"], #bot-form [name="symbol"]')) {
    target.form.elements.step.value = "edit";
    target.form.submit();
  }
}

function clicked({ target }) {
  if (target.closest("[data-closes]")) target.closest("dialog").close();
}
