// Entry point: opens the stream, binds its topics to the document and starts the modules of the page.

import * as bots from "./bots.js";
import { bookHandler, start as startBook } from "./book.js";
import { renderClock, renderPanels, renderStream, renderVenues, venuesHandler } from "./feed_status.js";
import * as facts from "./facts.js";
import * as markets from "./markets.js";
import { schedule } from "./render.js";
import * as shortcuts from "./shortcuts.js";
import { STALENESS_CHECK_MS } from "./staleness.js";
import { Stream } from "./stream.js";
import * as theme from "./theme.js";
import * as ticket from "./ticket.js";
import { renderAges, renderStale, scan, ticksHandler } from "./ticks.js";
import { tradesHandler } from "./trades.js";
import * as userEvents from "./user_events.js";
import { VisibleTopics } from "./visible_topics.js";

const scheme = location.protocol === "https:" ? "wss:" : "ws:";
const stream = new Stream(`${scheme}//${location.host}/ws/stream`, { onState: () => schedule(renderStreamState) });
const handlers = {
  ticks: ticksHandler,
  venues: venuesHandler,
  book: bookHandler,
  trades: tradesHandler,
  me: userEvents.userEventsHandler,
};
const visibleTopics = new VisibleTopics(stream, (topic) => handlers[topic.split(".")[0]]);

function renderStreamState() {
  renderStream(stream);
  facts.renderFacts(stream);
}

function renderEverySecond() {
  renderVenues(stream.state);
  renderAges();
  bots.renderBotAges();
  renderPanels(stream, { withAges: true });
  renderClock();
}

function checkStaleness() {
  renderStale();
  facts.renderFacts(stream);
  ticket.renderSubmit();
  renderPanels(stream, { withAges: false });
}

function scanDocument() {
  scan(visibleTopics.isVisible);
  visibleTopics.scan();
}

theme.start();
shortcuts.start();
markets.start();
startBook();
userEvents.start();
facts.start();
ticket.start();
bots.start();
scanDocument();
document.body.addEventListener("htmx:afterSettle", scanDocument);
setInterval(() => schedule(renderEverySecond), 1_000);
setInterval(() => schedule(checkStaleness), STALENESS_CHECK_MS);
stream.start();

if (document.querySelector("[data-chart]")) {
  const chart = await import("./chart.js");
  handlers.candles = chart.candlesHandler;
  chart.start(scanDocument);
  document.body.addEventListener("htmx:afterSettle", chart.redrawOverlays);
  scanDocument();
}
