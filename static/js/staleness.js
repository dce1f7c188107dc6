// Staleness: the age of every value on screen. The age of a row counts from its last tick or from the newest frame
// of its live venue, whichever is later: a live venue that sends nothing about an instrument has no new value.
// While the stream is lost nothing is recorded, so every age grows.

const updateTimes = new Map(); // "topic symbol" or "topic" → time of the last update
const venues = new Map(); // name → {status, lastFrameAt}

export const STALENESS_CHECK_MS = 250;
const VENUE_LATE_MS = 3_000;
const VENUE_DOWN_MS = 10_000;

/** A value that would pass the limit before the next check is stale now, so that the limit is never exceeded. */
export const isStale = (age, limit) => age === null || age > limit - STALENESS_CHECK_MS;

const now = () => performance.now();
const keyOf = (topic, symbol) => (symbol ? `${topic} ${symbol}` : topic);

export function recordUpdate(topic, symbol) {
  updateTimes.set(keyOf(topic, symbol), now());
}

/** The age that the server rendered. It counts until the first update. */
export function seedAge(topic, symbol, age) {
  const key = keyOf(topic, symbol);
  if (!updateTimes.has(key)) updateTimes.set(key, now() - age);
}

export function recordVenue(name, { status, age_ms: age }) {
  venues.set(name, { status, lastFrameAt: now() - age });
}

export function venueState(name) {
  const venue = venues.get(name);
  if (!venue) return null;
  const age = now() - venue.lastFrameAt;
  const late = venue.status === "live" && isStale(age, VENUE_LATE_MS);
  const status = age > VENUE_DOWN_MS ? "down" : late ? "late" : venue.status;
  return { status, age };
}

/** Milliseconds, or null without any update. `useVenue`: frames of a live venue count as updates. */
export function ageOf(topic, symbol, useVenue = true) {
  const venue = venues.get(topic.split(".")[1]);
  const venueFrameAt = useVenue && venue && venue.status === "live" ? venue.lastFrameAt : -Infinity;
  const updatedAt = Math.max(updateTimes.get(keyOf(topic, symbol)) ?? -Infinity, venueFrameAt);
  return updatedAt === -Infinity ? null : Math.max(0, now() - updatedAt);
}
