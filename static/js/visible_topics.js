// Subscribes to what is in the document and on screen, and to `venues`, which proves that it is fresh.

const SELECTOR = "[data-topic], [data-live], [data-book], [data-tape], [data-chart]";
const GRACE = 5_000; // a topic scrolled out of sight is kept this long

const topicOf = ({ dataset }) => dataset.book || dataset.tape || dataset.chart || dataset.live || dataset.topic;

export class Interest {
  constructor(stream, handlerFor) {
    this.stream = stream;
    this.handlerFor = handlerFor;
    this.seen = new Set();
    this.leaving = new Map();
    this.observer = new IntersectionObserver((changes) => this.changed(changes), { rootMargin: "200px" });
  }

  scan() {
    this.observer.disconnect();
    this.seen.clear();
    for (const element of document.querySelectorAll(SELECTOR)) this.observer.observe(element);
    this.sync();
  }

  visible = (element) => this.seen.has(element);

  changed(changes) {
    for (const { target, isIntersecting } of changes) {
      if (isIntersecting) this.seen.add(target);
      else this.seen.delete(target);
    }
    this.sync();
  }

  wanted() {
    const topics = new Set(["venues"]);
    for (const element of this.seen) if (element.isConnected) topics.add(topicOf(element));
    return topics;
  }

  sync() {
    const wanted = this.wanted();
    for (const topic of wanted) {
      clearTimeout(this.leaving.get(topic));
      this.leaving.delete(topic);
      const handler = this.handlerFor(topic);
      if (handler) this.stream.subscribe(topic, handler);
    }
    for (const topic of this.stream.topics.keys()) {
      if (wanted.has(topic) || this.leaving.has(topic)) continue;
      this.leaving.set(topic, setTimeout(() => this.leave(topic), GRACE));
    }
  }

  leave(topic) {
    this.leaving.delete(topic);
    if (!this.wanted().has(topic)) this.stream.unsubscribe(topic);
  }
}
