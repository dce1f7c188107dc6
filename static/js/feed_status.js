// Feed status: state of the stream and of the venues' feeds in the status bar, pills, tables and panels.

import { age as ageText } from "./format.js";
import { ageOf, isStale, recordVenue, venueState } from "./staleness.js";
import { part, setData, setStale, setText } from "./render.js";

const STATUS_RANK = { down: 0, late: 1, live: 2 };
let lossAnnounced = false;

export const venuesHandler = {
  onSnapshot: (_topic, body) => recordVenues(body || {}),
  onUpdate: (_topic, body) => recordVenues(body),
};

function recordVenues(body) {
  for (const [name, report] of Object.entries(body)) recordVenue(name, report);
}

const seconds = (elapsed) => `${Math.floor(elapsed / 1000)} s`;
const STATE_TEXT = {
  connecting: () => ["idle", "Connecting"],
  live: () => ["live", "Live"],
  quiet: (elapsed) => ["late", `No data, ${seconds(elapsed)}`],
  lost: (elapsed) => ["down", `Reconnecting, ${seconds(elapsed)}`],
};

export function renderStream({ state, stateSince, missedUpdates }) {
  const elapsed = performance.now() - stateSince;
  const [status, text] = STATE_TEXT[state](elapsed);
  for (const element of document.querySelectorAll("#stream-state, [data-stream-state]")) {
    setData(element, "state", status);
    setText(element, text);
  }
  setText(document.querySelector('[data-part="missed"]'), String(missedUpdates));
  announce(state);
  if (state === "lost") renderWorstFeed("Reconnecting", "down", elapsed);
}

/** Screen readers get each loss and each reconnect once, and not the first connection. */
function announce(state) {
  const announcer = document.getElementById("announcer");
  if (state === "lost" && !lossAnnounced) {
    setText(announcer, "Connection lost. Prices on this page are not updating.");
    lossAnnounced = true;
  } else if (state === "live" && lossAnnounced) {
    setText(announcer, "Connection restored.");
    lossAnnounced = false;
  }
}

export function renderVenues(streamState) {
  let worst = null;
  for (const element of document.querySelectorAll("[data-venue]")) {
    const state = venueState(element.dataset.venue);
    if (!state) continue;
    setData(element, "state", state.status);
    renderVenueAge(element, state);
    if (element.dataset.part === "status") setText(element, state.status);
    if (element.closest(".statusbar") && isWorse(state, worst)) worst = { ...state, title: titleOf(element) };
  }
  for (const row of document.querySelectorAll("[data-venue-row]")) renderVenueRow(row, venueState(row.dataset.venueRow));
  if (worst && streamState !== "lost") renderWorstFeed(worst.title, worst.status, worst.age);
}

function isWorse({ status, age }, other) {
  if (!other || STATUS_RANK[status] < STATUS_RANK[other.status]) return true;
  return status === other.status && age > other.age;
}

const titleOf = (element) => element.firstChild.data.trim();

function renderVenueAge(element, { status, age }) {
  setText(part(element, "age"), ageText(age) + (status === "live" ? "" : `, ${status}`));
}

function renderVenueRow(row, state) {
  if (!state) return;
  const status = part(row, "status");
  if (status && !status.dataset.venue) setText(status, state.status);
  setText(part(row, "age"), ageText(state.age));
  setStale(row, state.status !== "live");
}

function renderWorstFeed(title, status, age) {
  const pill = document.getElementById("worst-feed");
  if (!pill) return;
  setData(pill, "state", status);
  setText(part(pill, "name"), title);
  setText(part(pill, "age"), ageText(age));
}

/** Age and staleness of chart, book and trades. A panel without any value is not stale. */
export function renderPanels(stream, { withAges }) {
  for (const panel of document.querySelectorAll("[data-panel-topic]")) {
    const topic = panel.dataset.panelTopic;
    if (ageOf(topic, null, false) === null) continue;
    const age = ageOf(topic, null, stream.isSubscribed(topic));
    if (withAges) setText(part(panel, "age"), ageText(age));
    if (panel.offsetParent || panel.dataset.stale) setStale(panel, isStale(age, Number(panel.dataset.staleAfter)));
  }
}

export function renderClock() {
  const clock = document.querySelector("#utc-clock b");
  if (clock) setText(clock, new Date().toISOString().slice(11, 19));
}
