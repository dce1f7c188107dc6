// Rendering: DOM writes batched into one requestAnimationFrame. Browsers do not run it while the page is hidden,
// so nothing is rendered then; each render function keeps only the latest values.

const scheduled = new Set();
let frame = 0;

function flush() {
  frame = 0;
  const callbacks = [...scheduled];
  scheduled.clear();
  for (const callback of callbacks) callback();
}

/** Runs `callback` in the next frame, once per frame however often it is scheduled. */
export function schedule(callback) {
  scheduled.add(callback);
  frame ||= requestAnimationFrame(flush);
}

export function setText(element, text) {
  if (!element) return;
  const node = element.firstChild;
  if (node && node.nodeType === Node.TEXT_NODE && !node.nextSibling) {
    if (node.data !== text) node.data = text;
  } else {
    element.textContent = text;
  }
}

export function setData(element, name, value) {
  if (element && element.dataset[name] !== value) element.dataset[name] = value;
}

/** Sets `data-stale`, or removes it. */
export function setStale(element, stale) {
  if (stale) setData(element, "stale", "true");
  else if (element && element.dataset.stale) delete element.dataset.stale;
}

export const part = (element, name) => element && element.querySelector(`[data-part="${name}"]`);
