// Paints `data-field` leaves of `data-live` scopes from ticks, and greys what is too old.

import { direction, format } from "./format.js";
import { ageOf, arrived, assumed, isOld } from "./staleness.js";
import { schedule, setData, setStale, setText } from "./render.js";

const FLASH = 240;
const FLASH_APART = 333;
const DECIMALS = { spread: 1, mid: 1 }; // extra digits to compute with
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const ticks = new Map(); // "topic symbol" → {tick, before}
const dirty = new Set();
let scopes = new Map(); // "topic symbol" → [{element, fields}]
let visible = () => true;

export function scan(isVisible = visible) {
  visible = isVisible;
  scopes = new Map();
  for (const element of document.querySelectorAll("[data-live][data-symbol]")) {
    const { live: topic, symbol, ageMs } = element.dataset;
    const name = `${topic} ${symbol}`;
    const scope = { element, topic, symbol, fields: [...element.querySelectorAll("[data-field]")] };
    scopes.set(name, [...(scopes.get(name) || []), scope]);
    if (ageMs !== undefined) assumed(topic, symbol, Number(ageMs));
    if (ticks.has(name)) dirty.add(name);
  }
  for (const { dataset } of document.querySelectorAll("[data-panel-topic][data-age-ms]")) {
    assumed(dataset.panelTopic, null, Number(dataset.ageMs));
  }
  schedule(paint);
}

export const ticksHandler = {
  snap(topic, body) {
    for (const [symbol, tick] of Object.entries(body || {})) keep(topic, symbol, tick);
    schedule(paint);
  },
  push(topic, body) {
    for (const [symbol, tick] of Object.entries(body)) {
      keep(topic, symbol, tick);
      arrived(topic, symbol);
    }
    schedule(paint);
  },
};

function keep(topic, symbol, tick) {
  const name = `${topic} ${symbol}`;
  const known = ticks.get(name);
  // Conflated between two frames, direction is against what was last on screen.
  const before = known && dirty.has(name) ? known.before : known && known.tick;
  ticks.set(name, { tick, before: before || tick });
  dirty.add(name);
}

function paint() {
  for (const name of dirty) {
    const { tick, before } = ticks.get(name);
    for (const scope of scopes.get(name) || []) paintScope(scope, tick, before);
  }
  dirty.clear();
}

function paintScope({ element, fields }, tick, before) {
  const decimals = Number(element.dataset.decimals || 2);
  for (const leaf of fields) {
    const { field } = leaf.dataset;
    if (field === "age") continue;
    const value = valueOf(tick, field, decimals);
    setText(leaf, format(value, leaf.dataset.format, decimals));
    if (field === "last") paintMove(leaf, Number(value) - Number(before.last));
    else if (leaf.dataset.dir) setData(leaf, "dir", direction(value));
  }
}

function valueOf(tick, field, decimals) {
  if (!(field in { spread: 1, spread_bp: 1, mid: 1 })) return tick[field] ?? null;
  if (tick.bid === null || tick.ask === null) return null;
  const [bid, ask] = [Number(tick.bid), Number(tick.ask)];
  if (field === "spread_bp") return bid + ask > 0 ? (((ask - bid) / (bid + ask)) * 20_000).toFixed(4) : null;
  const value = field === "mid" ? (bid + ask) / 2 : ask - bid;
  return value.toFixed(decimals + DECIMALS[field]);
}

function paintMove(leaf, move) {
  if (!move) return;
  const way = move > 0 ? "up" : "down";
  if (leaf.dataset.dir) setData(leaf, "dir", way);
  const at = performance.now();
  if (calm.matches || at - (leaf.flashedAt || -FLASH_APART) < FLASH_APART) return;
  leaf.flashedAt = at;
  leaf.dataset.flash = way;
  setTimeout(() => delete leaf.dataset.flash, FLASH);
}

/** Once a second: the ages of what is on screen. */
export function paintAges() {
  for (const { scope, age } of agesOnScreen()) {
    for (const leaf of scope.fields) if (leaf.dataset.field === "age") setText(leaf, format(age, "age"));
  }
  paintTitle();
}

/** At every look: what is too old goes grey. */
export function paintStale() {
  for (const { scope, age } of agesOnScreen()) {
    const limit = Number(scope.element.dataset.staleAfter);
    if (limit) setStale(scope.element, isOld(age, limit));
  }
}

/** What was greyed on screen is looked at until it is fresh, also when it slid out of sight meanwhile. */
function* agesOnScreen() {
  for (const sharing of scopes.values()) {
    for (const scope of sharing) {
      if (!visible(scope.element) && !scope.element.dataset.stale) continue;
      const { element, topic, symbol } = scope;
      yield { scope, age: ageOf(topic, symbol, hasTick(element, topic, symbol)) };
    }
  }
}

// An instrument that never had a tick has no value that a live venue could vouch for.
const hasTick = (element, topic, symbol) => ticks.has(`${topic} ${symbol}`) || "ageMs" in element.dataset;

function paintTitle() {
  const main = document.querySelector("main[data-title]");
  const last = document.querySelector('.last-price[data-field="last"]');
  if (main && last) document.title = `${main.dataset.title} ${last.textContent.trim()} \u00b7 CryptoTrade`;
}
