// Ticks: renders the `data-field` elements of `data-live` scopes, and greys out stale scopes. A scope shows the
// tick of `data-symbol`, figures of the positions in `data-positions`, or both.

import { direction, fixed, format } from "./format.js";
import { figureOf, isFigure } from "./positions.js";
import { ageOf, isStale, recordUpdate, seedAge } from "./staleness.js";
import { schedule, setData, setStale, setText } from "./render.js";

const FLASH_MS = 240;
const FLASH_INTERVAL_MS = 333;
const EXTRA_DECIMALS = { spread: 1, mid: 1 }; // computed with more digits than are shown
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

const ticks = new Map(); // "topic symbol" → {tick, previous}
const dirty = new Set(); // keys of ticks to render
let scopes = new Map(); // "topic symbol" → [{element, topic, symbol, symbols, positions, fields}]
let isVisible = () => true;

export function scan(isElementVisible) {
  isVisible = isElementVisible;
  scopes = new Map();
  for (const element of document.querySelectorAll("[data-live][data-symbol], [data-live][data-positions]")) {
    addScope(element);
  }
  for (const { dataset } of document.querySelectorAll("[data-panel-topic][data-age-ms]")) {
    seedAge(dataset.panelTopic, null, Number(dataset.ageMs));
  }
  schedule(render);
}

function addScope(element) {
  const { live: topic, symbol, ageMs } = element.dataset;
  const positions = JSON.parse(element.dataset.positions || "[]");
  const symbols = [...new Set([...(symbol ? [symbol] : []), ...positions.map(([name]) => name)])];
  const leaves = [element, ...element.querySelectorAll("[data-field]")];
  const fields = leaves.filter((leaf) => leaf.dataset.field && leaf.closest("[data-live]") === element);
  const scope = { element, topic, symbol, symbols, positions, fields };
  for (const name of symbols) {
    const key = `${topic} ${name}`;
    scopes.set(key, [...(scopes.get(key) || []), scope]);
    if (ageMs !== undefined) seedAge(topic, name, Number(ageMs));
    if (ticks.has(key)) dirty.add(key);
  }
}

export const ticksHandler = {
  onSnapshot(topic, body) {
    for (const [symbol, tick] of Object.entries(body || {})) storeTick(topic, symbol, tick);
    schedule(render);
  },
  onUpdate(topic, body) {
    for (const [symbol, tick] of Object.entries(body)) {
      storeTick(topic, symbol, tick);
      recordUpdate(topic, symbol);
    }
    schedule(render);
  },
};

/** Of several ticks in one frame, `previous` stays the tick that is on screen. */
function storeTick(topic, symbol, tick) {
  const key = `${topic} ${symbol}`;
  const stored = ticks.get(key);
  const previous = stored && dirty.has(key) ? stored.previous : stored && stored.tick;
  ticks.set(key, { tick, previous: previous || tick });
  dirty.add(key);
}

function render() {
  const toRender = new Set();
  for (const key of dirty) for (const scope of scopes.get(key) || []) toRender.add(scope);
  for (const scope of toRender) renderScope(scope);
  dirty.clear();
}

function renderScope({ element, topic, symbol, positions, fields }) {
  const decimals = Number(element.dataset.decimals || 2);
  const { tick, previous } = ticks.get(`${topic} ${symbol}`) || {};
  for (const target of fields) {
    const { field } = target.dataset;
    if (isFigure(field)) renderFigure(target, topic, positions, decimals);
    else if (tick && field !== "age") renderField(target, tick, previous, decimals);
  }
}

function renderField(target, tick, previous, decimals) {
  const { field } = target.dataset;
  const value = valueOf(tick, field, decimals);
  setText(target, format(value, target.dataset.format, decimals));
  if (field === "last") renderPriceChange(target, Number(value) - Number(previous.last));
  else if (target.dataset.dir) setData(target, "dir", direction(value));
}

function renderFigure(target, topic, positions, decimals) {
  const { field, format: name, base, whole } = target.dataset;
  const value = figureOf(field, positions, { base, whole }, (symbol) => markOf(topic, symbol));
  if (value === null) return; // the price is missing: the server's figure stays, and grows stale
  if (target.tagName === "PROGRESS") {
    target.value = value;
    return;
  }
  setText(target, name === "signed" ? fixed(value, 2, true) : format(value, name, decimals));
  if (target.dataset.dir) setData(target, "dir", direction(value));
}

/** The mark price, else the last price, as the server takes it; null without either. */
function markOf(topic, symbol) {
  const tick = ticks.get(`${topic} ${symbol}`)?.tick;
  return tick ? Number(tick.mark) || Number(tick.last) || null : null;
}

function valueOf(tick, field, decimals) {
  if (field === "mark") return tick.mark ?? tick.last ?? null;
  if (!(field in { spread: 1, spread_bp: 1, mid: 1 })) return tick[field] ?? null;
  if (tick.bid === null || tick.ask === null) return null;
  const [bid, ask] = [Number(tick.bid), Number(tick.ask)];
  if (field === "spread_bp") return bid + ask > 0 ? (((ask - bid) / (bid + ask)) * 20_000).toFixed(4) : null;
  const value = field === "mid" ? (bid + ask) / 2 : ask - bid;
  return value.toFixed(decimals + EXTRA_DECIMALS[field]);
}

function renderPriceChange(target, change) {
  if (!change) return;
  const dir = change > 0 ? "up" : "down";
  if (target.dataset.dir) setData(target, "dir", dir);
  const now = performance.now();
  if (reducedMotion.matches || now - (target.flashedAt || -FLASH_INTERVAL_MS) < FLASH_INTERVAL_MS) return;
  target.flashedAt = now;
  target.dataset.flash = dir;
  setTimeout(() => delete target.dataset.flash, FLASH_MS);
}

/** Once a second: the ages on screen and the document title. */
export function renderAges() {
  for (const { scope, age } of scopeAges()) {
    for (const target of scope.fields) if (target.dataset.field === "age") setText(target, format(age, "age"));
  }
  renderTitle();
}

export function renderStale() {
  for (const { scope, age } of scopeAges()) {
    const limit = Number(scope.element.dataset.staleAfter);
    if (limit) setStale(scope.element, isStale(age, limit));
  }
}

/** Scopes on screen, and stale ones that left it: these are checked until they are not stale. */
function* scopeAges() {
  for (const scope of new Set([...scopes.values()].flat())) {
    const { element } = scope;
    if (isVisible(element) || element.dataset.stale) yield { scope, age: oldestAge(scope) };
  }
}

/** The age of the oldest tick that the scope shows; null when one is missing. */
function oldestAge({ element, topic, symbols }) {
  const ages = symbols.map((symbol) => ageOf(topic, symbol, hasTick(element, topic, symbol)));
  return ages.includes(null) ? null : Math.max(...ages);
}

// Frames of a live venue say nothing about an instrument that never had a tick.
const hasTick = (element, topic, symbol) => ticks.has(`${topic} ${symbol}`) || "ageMs" in element.dataset;

function renderTitle() {
  const main = document.querySelector("main[data-title]");
  const last = document.querySelector('.last-price[data-field="last"]');
  if (main && last) document.title = `${main.dataset.title} ${last.textContent.trim()} \u00b7 CryptoTrade`;
}
