// Facts of the account (`data-live="me"`): fragments that reload on events of the topic `me`. Nothing tells their
// age, so they are stale as soon as an event may be missing: the stream is not live, a reload has failed, or a
// reload waits because a row is edited.

import { setData, setStale } from "./render.js";

const RETRY_MS = 2_000;
const CONNECTED = new Set(["connecting", "live"]);
let wasLost = false;

export function start() {
  document.body.addEventListener("htmx:afterRequest", onResponse);
}

export function renderFacts({ state }) {
  const isConnected = CONNECTED.has(state);
  for (const element of document.querySelectorAll('[data-live="me"]')) {
    setStale(element, !isConnected || "failed" in element.dataset || "held" in element.dataset);
  }
  if (!isConnected) wasLost = true;
  else if (wasLost && state === "live") reloadAll();
}

function reloadAll() {
  wasLost = false;
  document.body.dispatchEvent(new CustomEvent("stream:back"));
}

/** A fragment that could not reload is stale, and all fragments reload after a while. */
function onResponse({ detail }) {
  const { elt, successful } = detail;
  if (!elt.dataset || elt.dataset.live !== "me" || detail.requestConfig.verb !== "get") return;
  if (successful) {
    delete elt.dataset.failed;
    return;
  }
  setData(elt, "failed", "true");
  setTimeout(reloadAll, RETRY_MS);
}
