// One requestAnimationFrame for everything. Browsers do not run it while the page is hidden, so nothing
// is painted then; each painter keeps only the latest of what it has to paint.

const painters = new Set();
let frame = 0;

function flush() {
  frame = 0;
  const due = [...painters];
  painters.clear();
  for (const paint of due) paint();
}

/** Run `paint` in the next frame, once however often it is asked for. */
export function schedule(paint) {
  painters.add(paint);
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

/** `data-stale`, and nothing when it is fresh. */
export function setStale(element, stale) {
  if (stale) setData(element, "stale", "true");
  else if (element && element.dataset.stale) delete element.dataset.stale;
}

export const part = (element, name) => element && element.querySelector(`[data-part="${name}"]`);
