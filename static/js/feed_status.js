// The state of the stream and of the venues' feeds: status bar, pills, feed rows, panels.

import { age as ageText } from "./format.js";
import { ageOf, isOld, venueReported, venueState } from "./staleness.js";
import { part, setData, setStale, setText } from "./render.js";

const RANK = { down: 0, late: 1, live: 2 };
let wasLost = false;

export const venuesHandler = {
  snap: (_topic, body) => report(body || {}),
  push: (_topic, body) => report(body),
};

function report(body) {
  for (const [name, said] of Object.entries(body)) venueReported(name, said);
}

const seconds = (elapsed) => `${Math.floor(elapsed / 1000)} s`;
const WORDS = {
  connecting: () => ["idle", "Connecting"],
  live: () => ["live", "Live"],
  quiet: (elapsed) => ["late", `Silent, ${seconds(elapsed)}`],
  lost: (elapsed) => ["down", `Reconnecting, ${seconds(elapsed)}`],
};

export function paintStream(state, elapsed, missed) {
  const [shape, words] = WORDS[state](elapsed);
  for (const element of document.querySelectorAll("#stream-state, [data-stream-state]")) {
    setData(element, "state", shape);
    setText(element, words);
  }
  setText(document.querySelector('[data-part="missed"]'), String(missed));
  announce(state);
  if (state === "lost") {
    paintWorst("Reconnecting", "down", elapsed);
  }
}

/** Lost and back are said aloud, once each; the first connection is not news. */
function announce(state) {
  const element = document.getElementById("announcer");
  if (state === "lost" && !wasLost) {
    setText(element, "The stream is lost. Prices on this page are no longer updated.");
    wasLost = true;
  } else if (state === "live" && wasLost) {
    setText(element, "The stream is back.");
    wasLost = false;
  }
}

export function paintVenues(streamState) {
  let worst = null;
  for (const element of document.querySelectorAll("[data-venue]")) {
    const state = venueState(element.dataset.venue);
    if (!state) continue;
    setData(element, "state", state.status);
    paintAge(element, state);
    if (element.dataset.part === "status") setText(element, state.status);
    if (!element.closest(".statusbar")) continue;
    if (!worst || RANK[state.status] < RANK[worst.status] || (state.status === worst.status && state.age > worst.age)) {
      worst = { ...state, name: element.dataset.venue, title: titleOf(element) };
    }
  }
  for (const row of document.querySelectorAll("[data-venue-row]")) paintRow(row, venueState(row.dataset.venueRow));
  if (worst && streamState !== "lost") paintWorst(worst.title, worst.status, worst.age);
}

const titleOf = (element) => element.firstChild.data.trim();

function paintAge(element, { status, age }) {
  setText(part(element, "age"), ageText(age) + (status === "live" ? "" : `, ${status}`));
}

function paintRow(row, state) {
  if (!state) return;
  const word = part(row, "status");
  if (word && !word.dataset.venue) setText(word, state.status);
  setText(part(row, "age"), ageText(state.age));
  setStale(row, state.status !== "live");
}

function paintWorst(title, status, age) {
  const pill = document.getElementById("worst-feed");
  if (!pill) return;
  setData(pill, "state", status);
  setText(part(pill, "name"), title);
  setText(part(pill, "age"), ageText(age));
}

/** Chart, book and tape: as fresh as their topic. Without one value yet there is nothing to be stale. */
export function paintPanels(stream, { withAges }) {
  for (const panel of document.querySelectorAll("[data-panel-topic]")) {
    const topic = panel.dataset.panelTopic;
    const age = ageOf(topic, null, stream.carries(topic));
    const known = ageOf(topic, null, false) !== null;
    if (!known) continue;
    if (withAges) setText(part(panel, "age"), ageText(age));
    if (panel.offsetParent || panel.dataset.stale) setStale(panel, isOld(age, Number(panel.dataset.staleAfter)));
  }
}

export function paintClock() {
  const clock = document.querySelector("#utc-clock b");
  if (clock) setText(clock, new Date().toISOString().slice(11, 19));
}
