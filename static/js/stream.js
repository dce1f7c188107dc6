// Client of /ws/stream: subscriptions, gap detection, reconnecting.
//
// Each topic keeps the epoch and seq of its last message. A push that does not begin at the next seq, or a heartbeat
// with a higher seq, is a gap: the topic is subscribed again from the last seq. A handler gets
// `onSnapshot(topic, body)` for a whole value and `onUpdate(topic, body)` for a change; recovered items of a log
// topic come as an update.

const RECONNECT_MIN_MS = 100;
const RECONNECT_BASE_MS = 400;
const RECONNECT_MAX_MS = 15_000;
const CLOSE_POLICY_VIOLATION = 1008;
const POLICY_RECONNECT_MIN_MS = 5_000;
const RESUBSCRIBE_MS = 3_000;
const QUIET_TIMEOUT_MS = 3_000; // `venues` is pushed every second
const DEAD_TIMEOUT_MS = 8_000;
const LIVENESS_CHECK_MS = 500;

/** Log topics: every item counts. Of other topics only the latest value counts. */
const isLog = (topic) => topic === "me" || topic.startsWith("trades.");

export class Stream {
  constructor(url, { onState = () => {}, open = (address) => new WebSocket(address), random = Math.random } = {}) {
    this.url = url;
    this.onState = onState;
    this.open = open;
    this.random = random;
    this.topics = new Map(); // name → subscription
    this.topicsById = new Map();
    this.socket = null;
    this.attempts = 0;
    this.missedUpdates = 0;
    this.state = "connecting";
    this.stateSince = performance.now();
    this.lastMessageAt = performance.now();
    this.reconnectTimer = 0;
  }

  start() {
    this.connect();
    setInterval(() => this.checkLiveness(), LIVENESS_CHECK_MS);
    window.addEventListener("online", () => this.reconnectNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.reconnectNow());
    window.addEventListener("pagehide", () => this.socket && this.socket.close());
    window.addEventListener("pageshow", (event) => event.persisted && this.reconnectNow());
  }

  subscribe(topic, handler) {
    if (this.topics.has(topic)) return;
    // `acknowledged` ends with the connection, `confirmed` when the next one opens.
    const flags = { pending: false, acknowledged: false, confirmed: false };
    const subscription = { topic, handler, id: null, epoch: null, seq: null, ...flags };
    this.topics.set(topic, subscription);
    this.request(subscription);
  }

  unsubscribe(topic) {
    const subscription = this.topics.get(topic);
    if (!subscription) return;
    this.topics.delete(topic);
    this.topicsById.delete(subscription.id);
    this.send({ op: "unsubscribe", topic });
  }

  /** True when the server has confirmed the topic on the latest connection, which may be lost by now. */
  isSubscribed(topic) {
    return Boolean(this.topics.get(topic)?.confirmed);
  }

  // --- connection ----------------------------------------------------------------------------------------
  connect() {
    clearTimeout(this.reconnectTimer);
    this.reconnectTimer = 0;
    const socket = this.open(this.url);
    this.socket = socket;
    this.lastMessageAt = performance.now();
    socket.addEventListener("open", () => this.onOpen(socket));
    socket.addEventListener("message", (event) => this.onMessage(socket, event.data));
    socket.addEventListener("close", (event) => this.onClose(socket, event.code));
  }

  onOpen(socket) {
    if (socket !== this.socket) return;
    this.lastMessageAt = performance.now();
    for (const subscription of this.topics.values()) {
      subscription.confirmed = false;
      this.request(subscription);
    }
  }

  onClose(socket, code) {
    if (socket !== this.socket) return;
    this.socket = null;
    this.topicsById.clear();
    for (const subscription of this.topics.values()) {
      Object.assign(subscription, { id: null, acknowledged: false, pending: false });
    }
    this.setState("lost");
    const backoff = Math.min(RECONNECT_MAX_MS, RECONNECT_BASE_MS * 2 ** this.attempts);
    const minimum = code === CLOSE_POLICY_VIOLATION ? POLICY_RECONNECT_MIN_MS : RECONNECT_MIN_MS;
    this.attempts += 1;
    this.reconnectTimer = setTimeout(() => this.connect(), minimum + this.random() * backoff);
  }

  /** Skips the backoff: the network or the page is back. */
  reconnectNow() {
    if (this.socket || !this.reconnectTimer) return;
    this.attempts = 0;
    this.connect();
  }

  checkLiveness() {
    const silence = performance.now() - this.lastMessageAt;
    if (this.socket && silence > DEAD_TIMEOUT_MS) {
      const socket = this.socket;
      this.onClose(socket, 0);
      socket.close();
    } else if (this.socket && this.state === "live" && silence > QUIET_TIMEOUT_MS) {
      this.setState("quiet", this.lastMessageAt);
    }
    this.onState(this.state, performance.now() - this.stateSince);
  }

  setState(state, since = performance.now()) {
    if (state === this.state) return;
    // A quiet connection that is lost was lost when it became quiet.
    if (!(state === "lost" && this.state === "quiet")) this.stateSince = since;
    this.state = state;
    this.onState(state, performance.now() - this.stateSince);
  }

  send(command) {
    if (this.socket && this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(command));
  }

  request(subscription) {
    if (subscription.pending || !this.socket || this.socket.readyState !== WebSocket.OPEN) return;
    subscription.pending = true;
    const { topic, epoch, seq } = subscription;
    this.send({ op: "subscribe", topic, ...(epoch === null ? {} : { epoch, seq }) });
  }

  // --- messages ------------------------------------------------------------------------------------------
  onMessage(socket, text) {
    if (socket !== this.socket) return;
    this.lastMessageAt = performance.now();
    const message = JSON.parse(text);
    if (message.op === "push") for (const item of message.m) this.push(item);
    else if (message.op === "ok" && message.epoch !== undefined) this.acknowledge(message);
    else if (message.op === "heartbeat") this.heartbeat(message.seq);
    else if (message.op === "error") this.retryLater(message);
    this.attempts = 0;
    this.setState("live");
  }

  acknowledge({ topic, id, epoch, seq, recovered, snapshot }) {
    const subscription = this.topics.get(topic);
    if (!subscription) return;
    if (subscription.epoch === epoch && seq > subscription.seq) this.missedUpdates += seq - subscription.seq;
    this.topicsById.delete(subscription.id);
    this.topicsById.set(id, subscription);
    Object.assign(subscription, { id, epoch, seq, pending: false, acknowledged: true, confirmed: true });
    if (recovered && isLog(topic)) subscription.handler.onUpdate(topic, snapshot);
    else subscription.handler.onSnapshot(topic, snapshot);
  }

  push([id, from, to, body]) {
    const subscription = this.topicsById.get(id);
    if (!subscription || subscription.pending || to <= subscription.seq) return;
    if (from > subscription.seq + 1) {
      this.request(subscription);
      return;
    }
    const { topic, seq, handler } = subscription;
    subscription.seq = to;
    handler.onUpdate(topic, isLog(topic) && from <= seq ? body.slice(seq - from + 1) : body);
  }

  heartbeat(seqs) {
    for (const [id, seq] of Object.entries(seqs)) {
      const subscription = this.topicsById.get(Number(id));
      if (subscription && !subscription.pending && seq > subscription.seq) this.request(subscription);
    }
  }

  retryLater({ topic }) {
    const subscription = this.topics.get(topic);
    if (!subscription) return;
    subscription.pending = false;
    setTimeout(() => {
      if (this.topics.get(topic) === subscription && !subscription.acknowledged) this.request(subscription);
    }, RESUBSCRIBE_MS);
  }
}
