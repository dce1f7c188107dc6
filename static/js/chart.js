// Candle chart: history from the REST API, page by page into the past, and the open candle from the stream.

import { CandlestickSeries, HistogramSeries, createChart } from "../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";
import { readOverlays } from "./bots.js";
import { ChartOverlays } from "./chart_overlays.js";
import { fixed } from "./format.js";
import { part, schedule, setData, setText } from "./render.js";
import { recordUpdate, seedAge } from "./staleness.js";

const PAGE_SIZE = 500;
const PREFETCH_BARS = 60; // the next page is fetched when fewer bars are left of the visible range
const RETRY_MS = 5_000;
const LOADING_NOTE_DELAY_MS = 200;
const INTERVAL_TEXT = { "1m": "1 minute", "5m": "5 minutes", "15m": "15 minutes", "1h": "1 hour", "4h": "4 hours", "1d": "1 day" };

let view = null;

export function start(onTopicChange) {
  const element = document.querySelector("[data-chart]");
  if (!element) return;
  view = new ChartView(element, onTopicChange);
  view.load();
}

export const candlesHandler = {
  onSnapshot: (topic, row) => row && view && view.onCandle(topic, row, true),
  onUpdate: (topic, row) => view && view.onCandle(topic, row, false),
};

/** Draws the overlays again after an HTML fragment has changed. */
export const redrawOverlays = () => view && view.overlays.draw(view.bars);

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const toBar = ({ t, o, h, l, c, v, closed = false }) => ({ time: t / 1000, open: +o, high: +h, low: +l, close: +c, volume: +v, closed });

class ChartView {
  constructor(element, onTopicChange) {
    this.element = element;
    this.onTopicChange = onTopicChange;
    this.bars = []; // ascending
    this.nextPage = null; // URL of the next page into the past
    this.isFetching = false;
    this.generation = 0; // rises with each change of interval: answers of earlier ones are dropped
    this.chart = createChart(element, { autoSize: true, ...chartOptions() });
    this.candles = this.chart.addSeries(CandlestickSeries, { borderVisible: false, ...candleColours(), ...this.priceFormat() });
    this.volume = this.chart.addSeries(HistogramSeries, { priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false });
    this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.83, bottom: 0 } });
    this.candles.priceScale().applyOptions({ scaleMargins: { top: 0.1, bottom: 0.2 } });
    this.candles.applyOptions({ priceLineStyle: 1 });
    this.overlays = new ChartOverlays(element, this.candles, readOverlays, token);
    this.chart.timeScale().subscribeVisibleLogicalRangeChange((range) => this.onVisibleRange(range));
    this.chart.subscribeCrosshairMove((event) => this.onCrosshair(event));
    document.getElementById("chart-now").addEventListener("click", () => this.chart.timeScale().scrollToRealTime());
    document.addEventListener("themechange", () => this.applyTheme());
    document.getElementById("intervals").addEventListener("click", (event) => this.onIntervalPick(event));
  }

  priceFormat() {
    const precision = Number(this.element.dataset.decimals);
    return { priceFormat: { type: "price", precision, minMove: 10 ** -precision } };
  }

  // --- history -------------------------------------------------------------------------------------------
  historyUrl() {
    const { history, venueName, symbolName, interval } = this.element.dataset;
    return `${history}?${new URLSearchParams({ venue: venueName, symbol: symbolName, interval, limit: PAGE_SIZE })}`;
  }

  async load() {
    const page = await this.fetchPage(this.historyUrl());
    if (!page) return;
    if (!this.hasLoaded) this.nextPage = page.next;
    seedAge(this.element.dataset.chart, null, 0);
    this.merge(page.results.map(toBar));
    this.draw();
    if (!this.hasLoaded) this.chart.timeScale().scrollToRealTime();
    this.hasLoaded = true;
  }

  async loadOlder() {
    const page = await this.fetchPage(this.nextPage);
    if (!page) return;
    this.nextPage = page.next;
    this.merge(page.results.map(toBar));
    this.draw();
  }

  /** The page, or null: the interval has changed, or the request failed and is retried later. */
  async fetchPage(url) {
    const { generation } = this;
    this.isFetching = true;
    const noteTimer = setTimeout(() => this.showNote("Loading candles\u2026"), LOADING_NOTE_DELAY_MS);
    try {
      const response = await fetch(url, { headers: { accept: "application/json" } });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      const page = await response.json();
      if (generation !== this.generation) return null;
      this.showNote(page.results.length || this.bars.length ? "" : "No candles yet. New candles appear here.");
      return page;
    } catch (error) {
      if (generation === this.generation) this.retryLater(error, url);
      return null;
    } finally {
      clearTimeout(noteTimer);
      if (generation === this.generation) this.isFetching = false;
    }
  }

  retryLater(error, url) {
    if (!this.bars.length) this.showNote(`Could not load candles: ${error.message}. Retrying.`);
    const { generation } = this;
    setTimeout(() => {
      if (generation !== this.generation) return;
      if (url === this.nextPage) this.loadOlder();
      else this.load();
    }, RETRY_MS);
  }

  merge(bars) {
    const byTime = new Map(bars.map((bar) => [bar.time, bar]));
    // For a candle that is not closed in the page, the stream has newer values.
    for (const bar of this.bars) if (!byTime.get(bar.time)?.closed) byTime.set(bar.time, bar);
    this.bars = [...byTime.values()].sort((a, b) => a.time - b.time);
    setData(this.element, "bars", String(this.bars.length));
  }

  draw() {
    this.candles.setData(this.bars);
    this.volume.setData(this.bars.map((bar) => this.volumeBar(bar)));
    this.renderLegend(this.bars.at(-1));
    this.overlays.draw(this.bars);
  }

  volumeBar({ time, open, close, volume }) {
    return { time, value: volume, color: token(close >= open ? "--chart-volume-up" : "--chart-volume-down") };
  }

  /** The last price and its label are of the open candle; scrolled back, the axis shows none of a past one. */
  onVisibleRange(range) {
    const isPast = Boolean(range) && range.to < this.bars.length - 1;
    document.getElementById("chart-now").hidden = !isPast;
    this.candles.applyOptions({ lastValueVisible: !isPast });
    if (range && range.from < PREFETCH_BARS && this.nextPage && !this.isFetching) this.loadOlder();
  }

  // --- open candle ---------------------------------------------------------------------------------------
  onCandle(topic, [t, o, h, l, c, v], isSnapshot) {
    if (topic !== this.element.dataset.chart) return;
    recordUpdate(topic);
    const next = toBar({ t, o, h, l, c, v });
    const last = this.bars.at(-1);
    if (last && next.time < last.time) return;
    if (isSnapshot && this.isStreaming && !this.isFetching) this.load(); // candles that closed during a gap
    this.isStreaming = true;
    if (last && last.time === next.time) this.bars[this.bars.length - 1] = next;
    else this.bars.push(next);
    this.isDirty = true;
    schedule(this.render);
  }

  render = () => {
    const last = this.bars.at(-1);
    if (!this.isDirty || !last) return;
    this.isDirty = false;
    if (this.bars.length === 1) this.draw();
    this.candles.update(last);
    this.volume.update(this.volumeBar(last));
    if (!this.hasCrosshair) this.renderLegend(last);
    this.showNote("");
  };

  // --- legend, theme, interval ---------------------------------------------------------------------------
  onCrosshair({ time, seriesData }) {
    const data = seriesData.get(this.candles);
    this.hasCrosshair = Boolean(time && data);
    const volume = this.hasCrosshair ? seriesData.get(this.volume) : null;
    this.renderLegend(this.hasCrosshair ? { ...data, volume: volume ? volume.value : 0 } : this.bars.at(-1));
  }

  renderLegend(bar) {
    const element = document.getElementById("chart-legend");
    if (!bar) return;
    element.hidden = false;
    const { decimals, sizeDecimals } = this.element.dataset;
    const dir = bar.close >= bar.open ? "up" : "down";
    for (const name of ["open", "high", "low", "close"]) {
      setText(part(element, name), fixed(bar[name].toFixed(Number(decimals)), Number(decimals)));
      setData(part(element, name), "dir", dir);
    }
    const digits = Math.min(2, Number(sizeDecimals));
    setText(part(element, "volume"), fixed(bar.volume.toFixed(digits), digits));
  }

  showNote(text) {
    const element = document.getElementById("chart-note");
    element.hidden = !text;
    setText(element, text);
  }

  applyTheme() {
    this.chart.applyOptions(chartOptions());
    this.candles.applyOptions(candleColours());
    this.volume.setData(this.bars.map((bar) => this.volumeBar(bar)));
    this.overlays.redraw(this.bars);
  }

  onIntervalPick(event) {
    const link = event.target.closest("a[data-interval]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const { dataset } = this.element;
    if (link.dataset.interval === dataset.interval) return;
    dataset.interval = link.dataset.interval;
    dataset.chart = `candles.${dataset.venueName}.${dataset.symbolName}.${dataset.interval}`;
    document.getElementById("chart-panel").dataset.panelTopic = dataset.chart;
    const label = this.element.getAttribute("aria-label").replace(/, .*/, `, ${INTERVAL_TEXT[dataset.interval]}`);
    this.element.setAttribute("aria-label", label);
    for (const other of link.parentElement.children) other.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    history.replaceState(null, "", link.href);
    this.restart();
  }

  restart() {
    this.generation += 1;
    this.bars = [];
    this.nextPage = null;
    this.hasLoaded = false;
    this.isStreaming = false;
    this.isFetching = false;
    this.draw();
    this.onTopicChange();
    this.load();
  }
}

function chartOptions() {
  return {
    layout: {
      background: { type: "solid", color: token("--panel") },
      textColor: token("--text-quiet"),
      fontSize: 11,
      fontFamily: getComputedStyle(document.body).fontFamily,
      attributionLogo: false,
    },
    grid: { vertLines: { color: halfAlpha(token("--line")) }, horzLines: { color: halfAlpha(token("--line")) } },
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

/** Converts rgb(…) to half alpha. */
const halfAlpha = (colour) => colour.replace("rgb(", "rgba(").replace(")", ", 0.5)");
