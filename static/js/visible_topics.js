// Visible topics: subscribes to the topics of elements on screen, and to `venues`, which staleness needs.

const SELECTOR = "[data-topic], [data-live], [data-book], [data-tape], [data-chart]";
const UNSUBSCRIBE_DELAY_MS = 5_000; // a topic that leaves the screen stays subscribed this long

const topicOf = ({ dataset }) => dataset.book || dataset.tape || dataset.chart || dataset.live || dataset.topic;

export class VisibleTopics {
  constructor(stream, handlerFor) {
    this.stream = stream;
    this.handlerFor = handlerFor;
    this.elements = new Set(); // on screen
    this.timers = new Map(); // topic → timer of its unsubscribing
    this.observer = new IntersectionObserver((entries) => this.onIntersection(entries), { rootMargin: "200px" });
  }

  scan() {
    this.observer.disconnect();
    this.elements.clear();
    for (const element of document.querySelectorAll(SELECTOR)) this.observer.observe(element);
    this.sync();
  }

  isVisible = (element) => this.elements.has(element);

  onIntersection(entries) {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) this.elements.add(target);
      else this.elements.delete(target);
    }
    this.sync();
  }

  visibleTopics() {
    const topics = new Set(["venues"]);
    for (const element of this.elements) if (element.isConnected) topics.add(topicOf(element));
    return topics;
  }

  sync() {
    const visible = this.visibleTopics();
    for (const topic of visible) {
      clearTimeout(this.timers.get(topic));
      this.timers.delete(topic);
      const handler = this.handlerFor(topic);
      if (handler) this.stream.subscribe(topic, handler);
    }
    for (const topic of this.stream.topics.keys()) {
      if (visible.has(topic) || this.timers.has(topic)) continue;
      this.timers.set(topic, setTimeout(() => this.unsubscribe(topic), UNSUBSCRIBE_DELAY_MS));
    }
  }

  unsubscribe(topic) {
    this.timers.delete(topic);
    if (!this.visibleTopics().has(topic)) this.stream.unsubscribe(topic);
  }
}
