// How old what is on screen is. A row is as fresh as the later of its own last tick and its venue's last
// proof of life: a live venue that says nothing about an instrument has nothing to say. When the stream is
// lost nothing arrives, so everything ages by itself.

const arrivals = new Map(); // "topic symbol" or "topic" → time
const venues = new Map(); // name → {status, seen: time of its newest frame}

export const LOOK_EVERY = 250;
const LATE_AFTER = 3_000;
const DOWN_AFTER = 10_000;

/** What will be too old before the next look is too old now, so that the limit is kept, not passed. */
export const isOld = (age, limit) => age === null || age > limit - LOOK_EVERY;

export const now = () => performance.now();
const key = (topic, symbol) => (symbol ? `${topic} ${symbol}` : topic);

export function arrived(topic, symbol, at = now()) {
  arrivals.set(key(topic, symbol), at);
}

/** What the first paint knew: its age when the server wrote it. Later news wins. */
export function assumed(topic, symbol, age) {
  const name = key(topic, symbol);
  if (!arrivals.has(name)) arrivals.set(name, now() - age);
}

export function venueReported(name, { status, age_ms: age }) {
  venues.set(name, { status, seen: now() - age });
}

export function venueState(name) {
  const venue = venues.get(name);
  if (!venue) return null;
  const age = now() - venue.seen;
  const late = venue.status === "live" && isOld(age, LATE_AFTER);
  const status = age > DOWN_AFTER ? "down" : late ? "late" : venue.status;
  return { status, age };
}

/** Milliseconds, or null when nothing was ever heard. `proven`: the venue's proof of life counts. */
export function ageOf(topic, symbol, proven = true) {
  const venue = venues.get(topic.split(".")[1]);
  const proof = proven && venue && venue.status === "live" ? venue.seen : -Infinity;
  const last = Math.max(arrivals.get(key(topic, symbol)) ?? -Infinity, proof);
  return last === -Infinity ? null : Math.max(0, now() - last);
}
