// The trade tape: newest on top, at most 60 rows, recycled from the bottom.

import { clock, fixed } from "./format.js";
import { arrived } from "./staleness.js";
import { part, schedule, setText } from "./render.js";

const ROWS = 60;
const SIZES = 500; // the sample in which a trade is large
const MINUTE = 60_000;

const waiting = new Map(); // topic → {items, whole}
const seen = new Map(); // topic → recent items, newest last

export const tapeHandler = {
  snap(topic, items) {
    if (!items) return;
    waiting.set(topic, { items: items.slice(-ROWS), whole: true });
    seen.set(topic, items.slice(-SIZES));
    arrived(topic);
    schedule(paint);
  },
  push(topic, items) {
    const before = waiting.get(topic) || { items: [], whole: false };
    waiting.set(topic, { items: [...before.items, ...items].slice(-ROWS), whole: before.whole });
    seen.set(topic, [...(seen.get(topic) || []), ...items].slice(-SIZES));
    arrived(topic);
    schedule(paint);
  },
};

function paint() {
  for (const table of document.querySelectorAll("[data-tape]")) {
    const topic = table.dataset.tape;
    const due = waiting.get(topic);
    if (due) paintTape(table, due, largeFrom(seen.get(topic)));
    if (due) paintShare(table, seen.get(topic));
  }
  waiting.clear();
}

/** Size from which a trade is among the largest 1 in 100. */
function largeFrom(items) {
  const sizes = items.map((item) => Number(item[1])).sort((a, b) => a - b);
  return sizes.length < 50 ? Infinity : sizes[Math.floor(sizes.length * 0.99)];
}

function paintTape(table, { items, whole }, large) {
  const body = table.tBodies[0];
  if (whole) while (body.rows.length > items.length) body.lastElementChild.remove();
  for (const item of whole ? items.slice(-ROWS) : items) {
    const row = body.rows.length >= (whole ? Math.max(items.length, 1) : ROWS) ? body.lastElementChild : newRow();
    write(row, item, large, table.dataset);
    body.prepend(row);
  }
  const note = table.parentElement.querySelector(".tape-empty");
  if (note) note.hidden = body.rows.length > 0;
}

function newRow() {
  const row = document.createElement("tr");
  for (let cell = 0; cell < 3; cell += 1) row.append(document.createElement("td"));
  row.cells[0].className = "with-arrow";
  return row;
}

function write(row, [price, size, side, time], large, { decimals, sizeDecimals }) {
  const [first, second, third] = row.cells;
  first.dataset.dir = side === "buy" ? "up" : "down";
  setText(first, fixed(price, Number(decimals)));
  setText(second, fixed(size, Number(sizeDecimals)));
  setText(third, clock(time));
  row.toggleAttribute("data-large", Number(size) > large);
}

/** Share of the last minute's volume that takers bought, by the venue's clock. */
function paintShare(table, items) {
  const newest = items.length ? items[items.length - 1][3] : 0;
  let [bought, all] = [0, 0];
  for (const [, size, side, time] of items) {
    if (time <= newest - MINUTE) continue;
    all += Number(size);
    if (side === "buy") bought += Number(size);
  }
  const note = part(table.closest(".panel"), "share");
  if (note && all) setText(note, `${Math.round((100 * bought) / all)} % bought, 1 min`);
}
