// What belongs to the reader on a chart: lines where orders rest or wait, arrows where they traded.

import { createSeriesMarkers } from "../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";
import { setData } from "./render.js";

const [DOTTED, DASHED] = [1, 2];

export class Marks {
  /** `read` gives {lines, fills} or null; `token` a colour by its name. */
  constructor(element, series, read, token) {
    this.element = element;
    this.series = series;
    this.read = read;
    this.token = token;
    this.lines = new Map(); // what a line says → the line
    this.arrows = createSeriesMarkers(series, []);
  }

  draw(bars) {
    const said = this.read();
    if (!said) return;
    this.drawLines(said.lines);
    this.arrows.setMarkers(arrowsOf(said.fills, bars, this.token("--you")));
  }

  /** Lines that stay are left alone: they would flicker. */
  drawLines(wanted) {
    const named = new Map(wanted.map((line) => [`${line.price} ${line.side} ${line.waiting}`, line]));
    for (const [name, line] of this.lines) {
      if (named.has(name)) continue;
      this.series.removePriceLine(line);
      this.lines.delete(name);
    }
    for (const [name, line] of named) {
      if (!this.lines.has(name)) this.lines.set(name, this.series.createPriceLine(this.options(line)));
    }
    setData(this.element, "lines", String(this.lines.size));
  }

  options({ price, waiting }) {
    const color = this.token(waiting ? "--text-quiet" : "--you");
    return { price, color, lineWidth: 1, lineStyle: waiting ? DOTTED : DASHED, axisLabelVisible: !waiting };
  }

  recolour(bars) {
    for (const line of this.lines.values()) this.series.removePriceLine(line);
    this.lines.clear();
    this.draw(bars);
  }
}

/** An arrow at the bar in which each fill fell; what is older than the chart is not drawn. */
function arrowsOf(fills, bars, color) {
  const found = new Map();
  for (const { side, time } of fills) {
    const at = barAt(bars, time / 1000);
    if (at !== null) found.set(`${at} ${side}`, { time: at, color, ...SHAPES[side] });
  }
  return [...found.values()].sort((a, b) => a.time - b.time);
}

const SHAPES = {
  buy: { position: "belowBar", shape: "arrowUp" },
  sell: { position: "aboveBar", shape: "arrowDown" },
};

function barAt(bars, seconds) {
  let [low, high] = [0, bars.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (bars[middle].time <= seconds) low = middle + 1;
    else high = middle;
  }
  return low ? bars[low - 1].time : null;
}
