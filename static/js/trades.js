// Trades: the newest on top, at most 60 rows. The row at the bottom is reused for the next trade.

import { clock, fixed } from "./format.js";
import { recordUpdate } from "./staleness.js";
import { part, schedule, setText } from "./render.js";

const MAX_ROWS = 60;
const SAMPLE_SIZE = 500; // recent trades from which the size of a large one is computed
const MIN_SAMPLE_SIZE = 50;
const MINUTE_MS = 60_000;

const pending = new Map(); // topic → {items, isSnapshot}
const recent = new Map(); // topic → items, newest last

export const tradesHandler = {
  onSnapshot(topic, items) {
    if (!items) return;
    pending.set(topic, { items: items.slice(-MAX_ROWS), isSnapshot: true });
    recent.set(topic, items.slice(-SAMPLE_SIZE));
    recordUpdate(topic);
    schedule(render);
  },
  onUpdate(topic, items) {
    const before = pending.get(topic) || { items: [], isSnapshot: false };
    pending.set(topic, { ...before, items: [...before.items, ...items].slice(-MAX_ROWS) });
    recent.set(topic, [...(recent.get(topic) || []), ...items].slice(-SAMPLE_SIZE));
    recordUpdate(topic);
    schedule(render);
  },
};

function render() {
  for (const table of document.querySelectorAll("[data-tape]")) {
    const topic = table.dataset.tape;
    if (!pending.has(topic)) continue;
    renderTrades(table, pending.get(topic), largeTradeSize(recent.get(topic)));
    renderTakerBuyShare(table, recent.get(topic));
  }
  pending.clear();
}

/** 99th percentile of the recent sizes: larger trades are highlighted. */
function largeTradeSize(items) {
  const sizes = items.map((item) => Number(item[1])).sort((a, b) => a - b);
  return sizes.length < MIN_SAMPLE_SIZE ? Infinity : sizes[Math.floor(sizes.length * 0.99)];
}

function renderTrades(table, { items, isSnapshot }, largeSize) {
  const body = table.tBodies[0];
  if (isSnapshot) while (body.rows.length > items.length) body.lastElementChild.remove();
  const maxRows = isSnapshot ? Math.max(items.length, 1) : MAX_ROWS;
  for (const item of items) {
    const row = body.rows.length >= maxRows ? body.lastElementChild : createRow();
    renderRow(row, item, largeSize, table.dataset);
    body.prepend(row);
  }
  const empty = table.parentElement.querySelector(".tape-empty");
  if (empty) empty.hidden = body.rows.length > 0;
}

function createRow() {
  const row = document.createElement("tr");
  for (let cell = 0; cell < 3; cell += 1) row.append(document.createElement("td"));
  row.cells[0].className = "with-arrow";
  return row;
}

function renderRow(row, [price, size, side, time], largeSize, { decimals, sizeDecimals }) {
  const [priceCell, sizeCell, timeCell] = row.cells;
  priceCell.dataset.dir = side === "buy" ? "up" : "down";
  setText(priceCell, fixed(price, Number(decimals)));
  setText(sizeCell, fixed(size, Number(sizeDecimals)));
  setText(timeCell, clock(time));
  row.toggleAttribute("data-large", Number(size) > largeSize);
}

/** Share of taker buys in the volume of the last minute, in venue time. */
function renderTakerBuyShare(table, items) {
  const newest = items.length ? items[items.length - 1][3] : 0;
  let [buyVolume, volume] = [0, 0];
  for (const [, size, side, time] of items) {
    if (time <= newest - MINUTE_MS) continue;
    volume += Number(size);
    if (side === "buy") buyVolume += Number(size);
  }
  const note = part(table.closest(".panel"), "share");
  if (note && volume) setText(note, `Taker buy ${Math.round((100 * buyVolume) / volume)}% (1m)`);
}
