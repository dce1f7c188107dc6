// The order book: levels by price, painted into the rows that the server rendered.

import { fixed } from "./format.js";
import { arrived } from "./staleness.js";
import { part, schedule, setText } from "./render.js";

const books = new Map(); // topic → {bids: Map, asks: Map}
let group = 1;

export const bookHandler = {
  snap(topic, body) {
    if (!body) return;
    books.set(topic, { bids: new Map(body.bids), asks: new Map(body.asks) });
    arrived(topic);
    schedule(paint);
  },
  push(topic, body) {
    const book = books.get(topic) || { bids: new Map(), asks: new Map() };
    books.set(topic, book);
    for (const side of ["bids", "asks"]) {
      for (const [price, size] of body[side]) {
        if (Number(size) === 0) book[side].delete(price);
        else book[side].set(price, size);
      }
    }
    arrived(topic);
    schedule(paint);
  },
};

export function start() {
  document.body.addEventListener("htmx:afterSwap", () => schedule(paint)); // own orders may have changed
  const select = document.getElementById("group");
  if (!select) return;
  select.addEventListener("change", () => {
    group = Number(select.value);
    schedule(paint);
  });
}

function paint() {
  for (const ladder of document.querySelectorAll("[data-book]")) {
    const book = books.get(ladder.dataset.book);
    if (book) paintLadder(ladder, book);
  }
}

/** The level that `price` is gathered into: away from the middle. */
const gathered = (price, best, step) =>
  (best > 0 ? Math.floor(price / step + 1e-6) : Math.ceil(price / step - 1e-6)) * step;

/** [[price, size, sum]…], best first, at most `count`; prices gathered to `step` away from the middle. */
function levelsOf(side, best, step, count) {
  const sorted = [...side].map(([price, size]) => [Number(price), Number(size)]).sort((a, b) => best * (b[0] - a[0]));
  const rows = [];
  for (const [price, size] of sorted) {
    const at = gathered(price, best, step);
    const last = rows[rows.length - 1];
    if (last && Math.abs(last[0] - at) < step / 2) last[1] += size;
    else if (rows.length < count) rows.push([at, size, 0]);
    else break;
  }
  let sum = 0;
  for (const row of rows) row[2] = sum += row[1];
  return rows;
}

function paintLadder(ladder, book) {
  const { decimals, sizeDecimals, levels: count } = ladder.dataset;
  const digits = Number(decimals);
  const step = group * 10 ** -digits;
  const bids = levelsOf(book.bids, 1, step, Number(count));
  const asks = levelsOf(book.asks, -1, step, Number(count));
  const deepest = Math.max(bids.at(-1)?.[2] || 0, asks.at(-1)?.[2] || 0) || 1;
  const own = ownPrices();
  const rows = (side) => [...ladder.querySelector(`tbody[data-side="${side}"]`).rows];
  const write = (row, level, best) => {
    paintRow(row, level, deepest, digits, Number(sizeDecimals));
    const ours = level && own.some((price) => Math.abs(gathered(price, best, step) - level[0]) < step / 2);
    row.toggleAttribute("data-own", Boolean(ours));
  };
  rows("bid").forEach((row, index) => write(row, bids[index], 1));
  rows("ask").reverse().forEach((row, index) => write(row, asks[index], -1));
  paintMiddle(ladder, book, digits);
}

/** The prices of the reader's own resting orders, as the account tables under the chart name them. */
function ownPrices() {
  const named = document.querySelector("[data-own-prices]")?.dataset.ownPrices;
  return named ? named.split(" ").map(Number) : [];
}

function paintRow(row, level, deepest, digits, sizeDigits) {
  const [price, size, sum] = row.cells;
  setText(price, level ? fixed(level[0].toFixed(digits), digits) : "");
  setText(size, level ? fixed(level[1].toFixed(sizeDigits), sizeDigits) : "");
  setText(sum, level ? fixed(level[2].toFixed(sizeDigits), sizeDigits) : "");
  row.style.setProperty("--depth", level ? (level[2] / deepest).toFixed(3) : "0");
}

function paintMiddle(ladder, book, digits) {
  const bid = Math.max(...[...book.bids.keys()].map(Number));
  const ask = Math.min(...[...book.asks.keys()].map(Number));
  if (!Number.isFinite(bid) || !Number.isFinite(ask)) return;
  const middle = part(ladder, "mid");
  const move = bid + ask - (book.middle || bid + ask);
  if (move) middle.dataset.dir = move > 0 ? "up" : "down";
  book.middle = bid + ask;
  setText(middle, fixed(((bid + ask) / 2).toFixed(digits + 1), digits));
  middle.nextElementSibling.hidden = false;
  setText(part(ladder, "spread"), fixed((ask - bid).toFixed(digits + 1), digits));
}
