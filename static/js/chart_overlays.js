// Chart overlays: price lines of the orders and waiting levels of a bot, arrows of its fills.

import { createSeriesMarkers } from "../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";
import { setData } from "./render.js";

const [DOTTED, DASHED] = [1, 2];
const MARKER_SHAPES = {
  buy: { position: "belowBar", shape: "arrowUp" },
  sell: { position: "aboveBar", shape: "arrowDown" },
};

export class ChartOverlays {
  /** `read` returns {lines, fills} or null, `token` the colour of a CSS custom property. */
  constructor(element, series, read, token) {
    this.element = element;
    this.series = series;
    this.read = read;
    this.token = token;
    this.priceLines = new Map(); // "price side waiting" → price line
    this.markers = createSeriesMarkers(series, []);
  }

  draw(bars) {
    const overlays = this.read();
    if (!overlays) return;
    this.drawLines(overlays.lines);
    this.markers.setMarkers(fillMarkers(overlays.fills, bars, this.token("--you")));
  }

  /** Adds and removes only what differs: a line that is drawn again flickers. */
  drawLines(lines) {
    const target = new Map(lines.map((line) => [`${line.price} ${line.side} ${line.waiting}`, line]));
    for (const [key, priceLine] of this.priceLines) {
      if (target.has(key)) continue;
      this.series.removePriceLine(priceLine);
      this.priceLines.delete(key);
    }
    for (const [key, line] of target) {
      if (!this.priceLines.has(key)) this.priceLines.set(key, this.series.createPriceLine(this.lineOptions(line)));
    }
    setData(this.element, "lines", String(this.priceLines.size));
  }

  lineOptions({ price, waiting }) {
    const color = this.token(waiting ? "--text-quiet" : "--you");
    return { price, color, lineWidth: 1, lineStyle: waiting ? DOTTED : DASHED, axisLabelVisible: !waiting };
  }

  redraw(bars) {
    for (const priceLine of this.priceLines.values()) this.series.removePriceLine(priceLine);
    this.priceLines.clear();
    this.draw(bars);
  }
}

/** One marker per bar and side. Fills before the first bar are not drawn. */
function fillMarkers(fills, bars, color) {
  const markers = new Map();
  for (const { side, time } of fills) {
    const barTime = barTimeAt(bars, time / 1000);
    if (barTime !== null) markers.set(`${barTime} ${side}`, { time: barTime, color, ...MARKER_SHAPES[side] });
  }
  return [...markers.values()].sort((a, b) => a.time - b.time);
}

/** Time of the last bar that begins at or before `seconds`, or null. */
function barTimeAt(bars, seconds) {
  let [low, high] = [0, bars.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (bars[middle].time <= seconds) low = middle + 1;
    else high = middle;
  }
  return low ? bars[low - 1].time : null;
}
