// Order book: price levels, rendered into the rows of the server-rendered ladder.

import { fixed } from "./format.js";
import { recordUpdate } from "./staleness.js";
import { part, schedule, setText } from "./render.js";

const BID = 1; // sign of a side: levels are ordered and grouped by it
const ASK = -1;

const books = new Map(); // topic → {bids, asks: Map of price → size, lastMid}
let grouping = 1; // in ticks

export const bookHandler = {
  onSnapshot(topic, body) {
    if (!body) return;
    books.set(topic, { bids: new Map(body.bids), asks: new Map(body.asks) });
    recordUpdate(topic);
    schedule(render);
  },
  onUpdate(topic, body) {
    const book = books.get(topic) || { bids: new Map(), asks: new Map() };
    books.set(topic, book);
    for (const side of ["bids", "asks"]) {
      for (const [price, size] of body[side]) {
        if (Number(size) === 0) book[side].delete(price);
        else book[side].set(price, size);
      }
    }
    recordUpdate(topic);
    schedule(render);
  },
};

export function start() {
  document.body.addEventListener("htmx:afterSwap", () => schedule(render)); // the user's orders may have changed
  const select = document.getElementById("group");
  if (!select) return;
  select.addEventListener("change", () => {
    grouping = Number(select.value);
    schedule(render);
  });
}

function render() {
  for (const ladder of document.querySelectorAll("[data-book]")) {
    const book = books.get(ladder.dataset.book);
    if (book) renderLadder(ladder, book);
  }
}

/** `price` rounded to a multiple of `step`, away from the mid price. */
const groupPrice = (price, sign, step) =>
  (sign > 0 ? Math.floor(price / step + 1e-6) : Math.ceil(price / step - 1e-6)) * step;

/** [[price, size, total]…] of grouped prices, best price first, at most `count`. */
function groupLevels(side, sign, step, count) {
  const sorted = [...side].map(([price, size]) => [Number(price), Number(size)]).sort((a, b) => sign * (b[0] - a[0]));
  const levels = [];
  for (const [price, size] of sorted) {
    const grouped = groupPrice(price, sign, step);
    const last = levels[levels.length - 1];
    if (last && Math.abs(last[0] - grouped) < step / 2) last[1] += size;
    else if (levels.length < count) levels.push([grouped, size, 0]);
    else break;
  }
  let total = 0;
  for (const level of levels) level[2] = total += level[1];
  return levels;
}

function renderLadder(ladder, book) {
  const { decimals, sizeDecimals, levels: count } = ladder.dataset;
  const digits = Number(decimals);
  const step = grouping * 10 ** -digits;
  const bids = groupLevels(book.bids, BID, step, Number(count));
  const asks = groupLevels(book.asks, ASK, step, Number(count));
  const maxTotal = Math.max(bids.at(-1)?.[2] || 0, asks.at(-1)?.[2] || 0) || 1;
  const ownPrices = ownOrderPrices();
  const rows = (side) => [...ladder.querySelector(`tbody[data-side="${side}"]`).rows];
  const renderLevel = (row, level, sign) => {
    renderRow(row, level, maxTotal, digits, Number(sizeDecimals));
    const isAtLevel = (price) => Math.abs(groupPrice(price, sign, step) - level[0]) < step / 2;
    row.toggleAttribute("data-own", Boolean(level) && ownPrices.some(isAtLevel));
  };
  rows("bid").forEach((row, index) => renderLevel(row, bids[index], BID));
  rows("ask").reverse().forEach((row, index) => renderLevel(row, asks[index], ASK));
  renderMid(ladder, book, digits);
}

/** Prices of the user's open orders, from the account tables. */
function ownOrderPrices() {
  const prices = document.querySelector("[data-own-prices]")?.dataset.ownPrices;
  return prices ? prices.split(" ").map(Number) : [];
}

function renderRow(row, level, maxTotal, digits, sizeDigits) {
  const [price, size, total] = row.cells;
  setText(price, level ? fixed(level[0].toFixed(digits), digits) : "");
  setText(size, level ? fixed(level[1].toFixed(sizeDigits), sizeDigits) : "");
  setText(total, level ? fixed(level[2].toFixed(sizeDigits), sizeDigits) : "");
  row.style.setProperty("--depth", level ? (level[2] / maxTotal).toFixed(3) : "0");
}

function renderMid(ladder, book, digits) {
  const bid = Math.max(...[...book.bids.keys()].map(Number));
  const ask = Math.min(...[...book.asks.keys()].map(Number));
  if (!Number.isFinite(bid) || !Number.isFinite(ask)) return;
  const element = part(ladder, "mid");
  const mid = (bid + ask) / 2;
  const change = mid - (book.lastMid ?? mid);
  if (change) element.dataset.dir = change > 0 ? "up" : "down";
  book.lastMid = mid;
  setText(element, fixed(mid.toFixed(digits + 1), digits + 1)); // half a tick is a mid price
  element.nextElementSibling.hidden = false;
  setText(part(ladder, "spread"), fixed((ask - bid).toFixed(digits + 1), digits));
}
