// User events (topic `me`). Each is dispatched on `body` as `me:order`, `me:fill`…, at most two a second per type,
// and fragments that listen reload. Fills, failed orders and alerts are also shown as toasts.

import { fixed } from "./format.js";

const MIN_INTERVAL_MS = 500;
const RETRY_MS = 50;
const EVENT_TYPES = ["order", "fill", "balance", "position", "wallet", "bot", "alert"];
const TOAST_MS = 6_000;
const MAX_TOASTS = 4;
// A fragment that reloads now is replaced by the answer, and a request that it has queued ends with it: the event waits.
const RELOADING = '[data-live="me"].htmx-request';
const STATUS_TEXT = {
  denied: "denied by risk check",
  rejected: "rejected by the exchange",
  unknown: "waiting for confirmation",
  expired: "expired before it was sent",
};

const lastDispatched = new Map(); // event type → time
const timers = new Map(); // event type → timer
let pointerIsDown = false; // no fragment reloads between pointerdown and pointerup

export const userEventsHandler = {
  // Events between the rendering of the page and the subscription are not sent: all fragments reload once.
  onSnapshot: () => EVENT_TYPES.forEach(scheduleDispatch),
  onUpdate(_topic, events) {
    for (const event of events) {
      scheduleDispatch(event.type);
      notify(event);
    }
  },
};

export function start() {
  document.addEventListener("pointerdown", () => (pointerIsDown = true), true);
  for (const type of ["pointerup", "pointercancel"]) {
    document.addEventListener(type, () => setTimeout(() => (pointerIsDown = false)), true);
  }
  document.body.addEventListener("toast:show", ({ detail }) => {
    showToast(detail.kind || "warn", detail.title, detail.text || "");
  });
}

function scheduleDispatch(type) {
  if (timers.has(type)) return;
  const elapsed = performance.now() - (lastDispatched.get(type) ?? -Infinity);
  timers.set(type, setTimeout(() => dispatch(type), Math.max(0, MIN_INTERVAL_MS - elapsed)));
}

function dispatch(type) {
  if (pointerIsDown || document.querySelector(RELOADING)) {
    timers.set(type, setTimeout(() => dispatch(type), RETRY_MS));
    return;
  }
  timers.delete(type);
  lastDispatched.set(type, performance.now());
  document.body.dispatchEvent(new CustomEvent(`me:${type}`));
}

function notify(event) {
  if (event.type === "fill") {
    const { side, size, symbol, price, fee, fee_asset: asset } = event;
    showToast("fill", `Filled: ${symbol} ${side} ${size} at ${price}`, fee ? `Fee ${fixed(fee, 4)} ${asset}.` : "");
  } else if (event.type === "order" && STATUS_TEXT[event.status]) {
    const { symbol, side, size, status, message } = event;
    const kind = status === "unknown" ? "unknown" : "denied";
    showToast(kind, `${symbol} ${side} ${size}: ${STATUS_TEXT[status]}`, message || "");
  } else if (event.type === "alert") {
    showToast(event.level === "error" ? "fault" : "warn", event.text, "");
  }
}

/** Faults stay until they are clicked; other toasts end by themselves. */
function showToast(kind, title, text) {
  const stack = document.getElementById("toasts");
  if (!stack || !title) return;
  const toast = document.createElement("div");
  toast.className = "toast";
  toast.dataset.kind = kind;
  const heading = document.createElement("b");
  heading.textContent = title;
  toast.append(heading);
  if (text) {
    const paragraph = document.createElement("p");
    paragraph.textContent = text;
    toast.append(paragraph);
  }
  stack.append(toast);
  while (stack.children.length > MAX_TOASTS) stack.firstElementChild.remove();
  toast.addEventListener("click", () => toast.remove());
  if (kind !== "fault") setTimeout(() => toast.remove(), TOAST_MS);
}
