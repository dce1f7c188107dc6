// The entrance: one stream, one painter, and the parts that this page has.

import * as board from "./markets.js";
import * as bots from "./bots.js";
import { bookHandler, start as startBook } from "./book.js";
import { paintClock, paintPanels, paintStream, paintVenues, venuesHandler } from "./feed_status.js";
import { Interest } from "./visible_topics.js";
import { LOOK_EVERY } from "./staleness.js";
import * as keys from "./shortcuts.js";
import { paintAges, paintStale, scan, ticksHandler } from "./ticks.js";
import * as me from "./user_events.js";
import { schedule } from "./render.js";
import { Stream } from "./stream.js";
import { tapeHandler } from "./trades.js";
import * as theme from "./theme.js";
import * as ticket from "./ticket.js";

const scheme = location.protocol === "https:" ? "wss:" : "ws:";
const stream = new Stream(`${scheme}//${location.host}/ws/stream`, { onState: () => schedule(paintState) });
const handlers = { ticks: ticksHandler, venues: venuesHandler, book: bookHandler, trades: tapeHandler, me: me.meHandler };
const interest = new Interest(stream, (topic) => handlers[topic.split(".")[0]]);

const paintState = () => paintStream(stream.state, performance.now() - stream.since, stream.missed);

function everySecond() {
  paintVenues(stream.state);
  paintAges();
  bots.paintBotAges();
  paintPanels(stream, { withAges: true });
  paintClock();
}

function everyLook() {
  paintStale();
  paintPanels(stream, { withAges: false });
}

function bind() {
  scan(interest.visible);
  interest.scan();
}

theme.start();
keys.start();
board.start();
startBook();
me.start();
ticket.start();
bots.start();
bind();
document.body.addEventListener("htmx:afterSettle", bind);
setInterval(() => schedule(everySecond), 1_000);
setInterval(() => schedule(everyLook), LOOK_EVERY);
stream.start();

if (document.querySelector("[data-chart]")) {
  const chart = await import("./chart.js");
  handlers.candles = chart.candlesHandler;
  chart.start(bind);
  document.body.addEventListener("htmx:afterSettle", chart.remark);
  bind();
}
