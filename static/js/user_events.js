// Private events. Each is a nudge: it becomes `me:order`, `me:fill`… on `body`, at most two a second of a kind,
// and fragments that listen read themselves again. What a person should hear of becomes a toast.

import { fixed } from "./format.js";

const APART = 500;
const KINDS = ["order", "fill", "balance", "position", "wallet", "bot", "alert"];
const TOAST_SECONDS = 6;
const MOST_TOASTS = 4;
const SAID = {
  denied: "denied",
  rejected: "rejected by the venue",
  unknown: "not known yet: the venue is being asked",
  expired: "expired before it could be sent",
};

const told = new Map(); // kind → when fragments were told last
const waiting = new Map(); // kind → timer
let pressed = false; // between pointerdown and pointerup nothing is swapped away

export const meHandler = {
  // What lies behind us was read with the page; but between reading and subscribing something may have happened.
  snap: () => KINDS.forEach(nudge),
  push(_topic, events) {
    for (const event of events) {
      nudge(event.type);
      announce(event);
    }
  },
};

export function start() {
  document.addEventListener("pointerdown", () => (pressed = true), true);
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => setTimeout(released), true);
  document.body.addEventListener("house:said", ({ detail }) => toast(detail.kind || "warn", detail.title, detail.text || ""));
}

function released() {
  pressed = false;
}

function nudge(kind) {
  if (waiting.has(kind)) return;
  const wait = Math.max(0, (told.get(kind) ?? -APART) + APART - performance.now());
  waiting.set(kind, setTimeout(() => tell(kind), wait));
}

function tell(kind) {
  if (pressed) {
    waiting.set(kind, setTimeout(() => tell(kind), 50));
    return;
  }
  waiting.delete(kind);
  told.set(kind, performance.now());
  document.body.dispatchEvent(new CustomEvent(`me:${kind}`));
}

function announce(event) {
  if (event.type === "fill") {
    const { side, size, symbol, price, fee, fee_asset: asset } = event;
    toast("fill", `Filled: ${symbol} ${side} ${size} at ${price}`, fee ? `Fee ${fixed(fee, 4)} ${asset}.` : "");
  } else if (event.type === "order" && SAID[event.status]) {
    const { symbol, side, size, status, message } = event;
    toast(status === "unknown" ? "unknown" : "denied", `${symbol} ${side} ${size}: ${SAID[status]}`, message || "");
  } else if (event.type === "alert") {
    toast(event.level === "error" ? "fault" : "warn", event.text, "");
  }
}

/** At most four; faults stay until they are clicked away. */
export function toast(kind, title, text) {
  const stack = document.getElementById("toasts");
  if (!stack || !title) return;
  const item = document.createElement("div");
  item.className = "toast";
  item.dataset.kind = kind;
  const head = document.createElement("b");
  head.textContent = title;
  item.append(head);
  if (text) {
    const more = document.createElement("p");
    more.textContent = text;
    item.append(more);
  }
  stack.append(item);
  while (stack.children.length > MOST_TOASTS) stack.firstElementChild.remove();
  item.addEventListener("click", () => item.remove());
  if (kind !== "fault") setTimeout(() => item.remove(), TOAST_SECONDS * 1000);
}
