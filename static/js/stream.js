// The client of /ws/stream: subscriptions, the proof that nothing was missed, and coming back.
//
// Each topic keeps the epoch and seq it has seen. A push that does not begin where the last one ended, or a
// beat that is ahead, is a gap: the topic is subscribed again from what was seen. A handler gets `snap(body)`
// for a whole value and `push(body)` for an update; LOG items that were missed and recovered come as a push.

const FIRST_PAUSE = 400;
const LONGEST_PAUSE = 15_000;
const REFUSED_PAUSE = 5_000; // after a close for breaking a rule (1008)
const RETRY_TOPIC = 3_000;
const QUIET_AFTER = 3_000; // `venues` is pushed every second
const DEAD_AFTER = 8_000;
const POLICY = 1008;

/** Topics of which every item counts; the others are values of which the latest wins. */
const isLog = (topic) => topic === "me" || topic.startsWith("trades.");

export class Stream {
  constructor(url, { onState = () => {}, open = (address) => new WebSocket(address), random = Math.random } = {}) {
    this.url = url;
    this.onState = onState;
    this.open = open;
    this.random = random;
    this.topics = new Map();
    this.byId = new Map();
    this.socket = null;
    this.attempts = 0;
    this.missed = 0;
    this.state = "connecting";
    this.since = performance.now();
    this.heard = performance.now();
    this.timer = 0;
  }

  start() {
    this.connect();
    setInterval(() => this.check(), 500);
    window.addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
    window.addEventListener("pagehide", () => this.socket && this.socket.close());
    window.addEventListener("pageshow", (event) => event.persisted && this.hurry());
  }

  subscribe(topic, handler) {
    const known = this.topics.get(topic);
    if (known) return;
    const entry = { topic, handler, id: null, epoch: null, seq: null, answered: false, proven: false, asking: false };
    this.topics.set(topic, entry);
    this.ask(entry);
  }

  unsubscribe(topic) {
    const entry = this.topics.get(topic);
    if (!entry) return;
    this.topics.delete(topic);
    this.byId.delete(entry.id);
    this.send({ op: "unsub", topic });
  }

  /** True when the server has answered for this topic on the last connection there was. */
  carries(topic) {
    const entry = this.topics.get(topic);
    return Boolean(entry && entry.proven);
  }

  // --- the connection ------------------------------------------------------------------------------------
  connect() {
    clearTimeout(this.timer);
    this.timer = 0;
    const socket = this.open(this.url);
    this.socket = socket;
    this.heard = performance.now();
    socket.addEventListener("open", () => this.opened(socket));
    socket.addEventListener("message", (event) => this.received(socket, event.data));
    socket.addEventListener("close", (event) => this.closed(socket, event.code));
  }

  opened(socket) {
    if (socket !== this.socket) return;
    this.heard = performance.now();
    for (const entry of this.topics.values()) {
      entry.proven = false;
      this.ask(entry);
    }
  }

  closed(socket, code) {
    if (socket !== this.socket) return;
    this.socket = null;
    this.byId.clear();
    for (const entry of this.topics.values()) Object.assign(entry, { id: null, answered: false, asking: false });
    this.setState("lost");
    const ceiling = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.attempts);
    const least = code === POLICY ? REFUSED_PAUSE : 100;
    this.attempts += 1;
    this.timer = setTimeout(() => this.connect(), least + this.random() * ceiling);
  }

  /** Something changed for the better: do not sit out the pause. */
  hurry() {
    if (this.socket || !this.timer) return;
    this.attempts = 0;
    this.connect();
  }

  check() {
    const silent = performance.now() - this.heard;
    if (this.socket && silent > DEAD_AFTER) {
      const socket = this.socket;
      this.closed(socket, 0);
      socket.close();
    } else if (this.socket && this.state === "live" && silent > QUIET_AFTER) {
      this.setState("quiet", this.heard);
    }
    this.onState(this.state, performance.now() - this.since);
  }

  setState(state, since = performance.now()) {
    if (state === this.state) return;
    // Lost after quiet: it was lost when it fell silent.
    if (!(state === "lost" && this.state === "quiet")) this.since = since;
    this.state = state;
    this.onState(state, performance.now() - this.since);
  }

  send(command) {
    if (this.socket && this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(command));
  }

  ask(entry) {
    if (entry.asking || !this.socket || this.socket.readyState !== WebSocket.OPEN) return;
    entry.asking = true;
    const seen = entry.epoch === null ? {} : { epoch: entry.epoch, seq: entry.seq };
    this.send({ op: "sub", topic: entry.topic, ...seen });
  }

  // --- what the server says ------------------------------------------------------------------------------
  received(socket, text) {
    if (socket !== this.socket) return;
    this.heard = performance.now();
    const said = JSON.parse(text);
    if (said.op === "push") for (const part of said.m) this.pushed(part);
    else if (said.op === "ok" && said.epoch !== undefined) this.answered(said);
    else if (said.op === "beat") this.beat(said.seq);
    else if (said.op === "error") this.refused(said);
    this.attempts = 0;
    this.setState("live");
  }

  answered({ topic, id, epoch, seq, recovered, snap }) {
    const entry = this.topics.get(topic);
    if (!entry) return;
    if (entry.epoch === epoch && seq > entry.seq) this.missed += seq - entry.seq;
    const isRest = recovered && isLog(topic);
    this.byId.delete(entry.id);
    this.byId.set(id, entry);
    Object.assign(entry, { id, epoch, seq, answered: true, proven: true, asking: false });
    if (isRest) entry.handler.push(topic, snap);
    else entry.handler.snap(topic, snap);
  }

  pushed([id, from, to, body]) {
    const entry = this.byId.get(id);
    if (!entry || entry.asking || to <= entry.seq) return;
    if (from > entry.seq + 1) {
      this.ask(entry);
      return;
    }
    const fresh = isLog(entry.topic) && from <= entry.seq ? body.slice(entry.seq - from + 1) : body;
    entry.seq = to;
    entry.handler.push(entry.topic, fresh);
  }

  beat(told) {
    for (const [id, seq] of Object.entries(told)) {
      const entry = this.byId.get(Number(id));
      if (entry && !entry.asking && seq > entry.seq) this.ask(entry);
    }
  }

  refused({ topic }) {
    const entry = this.topics.get(topic);
    if (!entry) return;
    entry.asking = false;
    setTimeout(() => this.topics.get(topic) === entry && !entry.answered && this.ask(entry), RETRY_TOPIC);
  }
}
