// Bots: heartbeat ages, the stop dialog, the wizard form and the chart overlays of a bot.

import { age } from "./format.js";
import { setData, setText } from "./render.js";

const firstSeen = new WeakMap(); // element with `data-since` → time

export function start() {
  document.body.addEventListener("htmx:afterSwap", onSwap);
  document.body.addEventListener("change", onChange);
  document.body.addEventListener("htmx:afterRequest", onResponse);
  document.addEventListener("click", onClick);
}

/** Once a second: the age of each heartbeat grows from the one that the server rendered, and becomes late. */
export function renderBotAges() {
  for (const element of document.querySelectorAll("[data-since]")) {
    if (!firstSeen.has(element)) firstSeen.set(element, performance.now());
    const elapsed = Number(element.dataset.since) + performance.now() - firstSeen.get(element);
    setText(element, age(elapsed));
    const limit = Number(element.dataset.lateAfter);
    const heartbeat = limit && element.closest(".heartbeat");
    if (heartbeat && elapsed > limit) setData(heartbeat, "state", "late");
  }
}

/** Chart overlays in `#bot-marks`: lines of levels and orders, arrows of fills. Null without the element. */
export function readOverlays() {
  const element = document.getElementById("bot-marks");
  if (!element) return null;
  const overlays = { lines: [], fills: [] };
  for (const { value, dataset } of element.children) {
    const { mark, side } = dataset;
    if (mark === "fill") overlays.fills.push({ side, time: Number(dataset.time) });
    else overlays.lines.push({ price: Number(value), side, waiting: mark === "waiting" });
  }
  return overlays;
}

function onSwap({ detail }) {
  if (detail.target.matches("dialog")) detail.target.showModal();
}

function onChange({ target }) {
  // The submit button of a dialog repeats the chosen option.
  if (target.dataset.says) setText(target.form.querySelector("[type=submit]"), target.dataset.says);
  // Another instrument has another chart: the server renders the form again, with its values.
  if (target.matches('#bot-form [name="wallet"], #bot-form [name="symbol"]')) {
    target.form.elements.step.value = "edit";
    target.form.submit();
  }
}

/** Closes a dialog after htmx has sent its form and the server has done the action. */
function onResponse({ detail }) {
  if (detail.successful && detail.elt.matches("form[data-closes-after]")) detail.elt.closest("dialog").close();
}

function onClick({ target }) {
  if (target.closest("[data-closes]")) target.closest("dialog").close();
}
