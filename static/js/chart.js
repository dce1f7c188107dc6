// The candle chart: history from the API, page by page to the left, and the open candle from the stream.

import { CandlestickSeries, HistogramSeries, createChart } from "../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";
import { fixed } from "./format.js";
import { arrived, assumed } from "./staleness.js";
import { marks } from "./bots.js";
import { Marks } from "./chart_overlays.js";
import { part, schedule, setData, setText } from "./render.js";

const PAGE = 500;
const NEAR_EDGE = 60; // bars left of the screen at which the next page is fetched
const RETRY = 5_000;
const WORDS = { "1m": "1 minute", "5m": "5 minutes", "15m": "15 minutes", "1h": "1 hour", "4h": "4 hours", "1d": "1 day" };

let view = null;

export function start(onTopicChange) {
  const element = document.querySelector("[data-chart]");
  if (!element) return;
  view = new ChartView(element, onTopicChange);
  view.load();
}

export const candlesHandler = {
  snap: (topic, row) => row && view && view.live(topic, row, true),
  push: (topic, row) => view && view.live(topic, row, false),
};

/** What belongs to the reader has changed on the page. */
export const remark = () => view && view.marks.draw(view.bars);

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const bar = ({ t, o, h, l, c, v, closed = false }) => ({ time: t / 1000, open: +o, high: +h, low: +l, close: +c, volume: +v, closed });

class ChartView {
  constructor(element, onTopicChange) {
    this.element = element;
    this.onTopicChange = onTopicChange;
    this.bars = []; // ascending
    this.older = null; // address of the next page into the past
    this.fetching = false;
    this.generation = 0;
    this.chart = createChart(element, { autoSize: true, ...options() });
    this.candles = this.chart.addSeries(CandlestickSeries, { borderVisible: false, ...candleColours(), ...this.priceFormat() });
    this.volume = this.chart.addSeries(HistogramSeries, { priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false });
    this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.83, bottom: 0 } });
    this.candles.priceScale().applyOptions({ scaleMargins: { top: 0.1, bottom: 0.2 } });
    this.candles.applyOptions({ priceLineStyle: 1 });
    this.marks = new Marks(element, this.candles, marks, token);
    this.chart.timeScale().subscribeVisibleLogicalRangeChange((range) => this.scrolled(range));
    this.chart.subscribeCrosshairMove((move) => this.pointed(move));
    document.addEventListener("theme", () => this.recolour());
    document.getElementById("intervals").addEventListener("click", (event) => this.picked(event));
  }

  priceFormat() {
    const precision = Number(this.element.dataset.decimals);
    return { priceFormat: { type: "price", precision, minMove: 10 ** -precision } };
  }

  // --- history -------------------------------------------------------------------------------------------
  address() {
    const { history, venueName, symbolName, interval } = this.element.dataset;
    return `${history}?${new URLSearchParams({ venue: venueName, symbol: symbolName, interval, limit: PAGE })}`;
  }

  async load() {
    const generation = this.generation;
    const page = await this.fetchPage(this.address(), generation);
    if (!page) return;
    if (!this.fitted) this.older = page.next;
    assumed(this.element.dataset.chart, null, 0);
    this.merge(page.results.map(bar));
    this.draw();
    if (!this.fitted) this.chart.timeScale().scrollToRealTime();
    this.fitted = true;
  }

  async loadOlder() {
    const page = await this.fetchPage(this.older, this.generation);
    if (!page) return;
    this.older = page.next;
    this.merge(page.results.map(bar));
    this.draw();
  }

  /** The page, or null: another interval was chosen, or it failed and will be tried again. */
  async fetchPage(address, generation) {
    this.fetching = true;
    const waiting = setTimeout(() => this.note("Loading candles\u2026"), 200);
    try {
      const answer = await fetch(address, { headers: { accept: "application/json" } });
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      const page = await answer.json();
      if (generation !== this.generation) return null;
      this.note(page.results.length || this.bars.length ? "" : "No candles yet. The first one appears here.");
      return page;
    } catch (error) {
      if (generation === this.generation) this.failed(error, address);
      return null;
    } finally {
      clearTimeout(waiting);
      if (generation === this.generation) this.fetching = false;
    }
  }

  failed(error, address) {
    if (!this.bars.length) this.note(`Candles could not be loaded: ${error.message}. Trying again.`);
    const generation = this.generation;
    setTimeout(() => {
      if (generation !== this.generation) return;
      if (address === this.older) this.loadOlder();
      else this.load();
    }, RETRY);
  }

  merge(bars) {
    const byTime = new Map(bars.map((each) => [each.time, each]));
    // Of an open candle the stream knows more than a page that was asked for earlier.
    for (const each of this.bars) if (!byTime.get(each.time)?.closed) byTime.set(each.time, each);
    this.bars = [...byTime.values()].sort((a, b) => a.time - b.time);
    setData(this.element, "bars", String(this.bars.length));
  }

  draw() {
    this.candles.setData(this.bars);
    this.volume.setData(this.bars.map((each) => this.column(each)));
    this.legend(this.bars.at(-1));
    this.marks.draw(this.bars);
  }

  column({ time, open, close, volume }) {
    return { time, value: volume, color: token(close >= open ? "--chart-volume-up" : "--chart-volume-down") };
  }

  scrolled(range) {
    if (range && range.from < NEAR_EDGE && this.older && !this.fetching) this.loadOlder();
  }

  // --- the open candle -----------------------------------------------------------------------------------
  live(topic, [t, o, h, l, c, v], isSnapshot) {
    if (topic !== this.element.dataset.chart) return;
    arrived(topic);
    const next = bar({ t, o, h, l, c, v });
    const last = this.bars.at(-1);
    if (last && next.time < last.time) return;
    if (isSnapshot && this.answered && !this.fetching) this.load(); // what closed while we were away
    this.answered = true;
    if (last && last.time === next.time) this.bars[this.bars.length - 1] = next;
    else this.bars.push(next);
    this.pending = true;
    schedule(this.paint);
  }

  paint = () => {
    const last = this.bars.at(-1);
    if (!this.pending || !last) return;
    this.pending = false;
    if (this.bars.length === 1) this.draw();
    this.candles.update(last);
    this.volume.update(this.column(last));
    if (!this.hovering) this.legend(last);
    this.note("");
  };

  // --- around it -----------------------------------------------------------------------------------------
  pointed({ time, seriesData }) {
    const data = seriesData.get(this.candles);
    this.hovering = Boolean(time && data);
    const volume = this.hovering ? seriesData.get(this.volume) : null;
    this.legend(this.hovering ? { ...data, volume: volume ? volume.value : 0 } : this.bars.at(-1));
  }

  legend(shown) {
    const element = document.getElementById("chart-legend");
    if (!shown) return;
    element.hidden = false;
    const { decimals, sizeDecimals } = this.element.dataset;
    const way = shown.close >= shown.open ? "up" : "down";
    for (const name of ["open", "high", "low", "close"]) {
      setText(part(element, name), fixed(shown[name].toFixed(Number(decimals)), Number(decimals)));
      setData(part(element, name), "dir", way);
    }
    const digits = Math.min(2, Number(sizeDecimals));
    setText(part(element, "volume"), fixed(shown.volume.toFixed(digits), digits));
  }

  note(text) {
    const element = document.getElementById("chart-note");
    element.hidden = !text;
    setText(element, text);
  }

  recolour() {
    this.chart.applyOptions(options());
    this.candles.applyOptions(candleColours());
    this.volume.setData(this.bars.map((each) => this.column(each)));
    this.marks.recolour(this.bars);
  }

  picked(event) {
    const link = event.target.closest("a[data-interval]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const { dataset } = this.element;
    if (link.dataset.interval === dataset.interval) return;
    dataset.interval = link.dataset.interval;
    dataset.chart = `candles.${dataset.venueName}.${dataset.symbolName}.${dataset.interval}`;
    document.getElementById("chart-panel").dataset.panelTopic = dataset.chart;
    this.element.setAttribute("aria-label", this.element.getAttribute("aria-label").replace(/, .*/, `, ${WORDS[dataset.interval]}`));
    for (const each of link.parentElement.children) each.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    history.replaceState(null, "", link.href);
    this.restart();
  }

  restart() {
    this.generation += 1;
    this.bars = [];
    this.older = null;
    this.fitted = false;
    this.answered = false;
    this.fetching = false;
    this.draw();
    this.onTopicChange();
    this.load();
  }
}

function options() {
  return {
    layout: {
      background: { type: "solid", color: token("--panel") },
      textColor: token("--text-quiet"),
      fontSize: 11,
      fontFamily: getComputedStyle(document.body).fontFamily,
      attributionLogo: false,
    },
    grid: { vertLines: { color: halved(token("--line")) }, horzLines: { color: halved(token("--line")) } },
    rightPriceScale: { borderVisible: false },
    timeScale: { borderVisible: false, timeVisible: true, rightOffset: 4 },
    crosshair: { mode: 0 },
    localization: { locale: "en-GB" },
  };
}

function candleColours() {
  const [up, down] = [token("--up"), token("--down")];
  return { upColor: up, downColor: down, wickUpColor: up, wickDownColor: down };
}

/** rgb(…) at half alpha. */
const halved = (colour) => colour.replace("rgb(", "rgba(").replace(")", ", 0.5)");
