// Benchmark peer `node-ws`: the `ws` package, one encoded Buffer for all subscribers of a topic.
// Usage: node node_ws.js PORT INGRESS_PORT. Updates are received as lines `topic TAB message`.
const net = require("node:net");
const { WebSocketServer, WebSocket } = require("ws");

const [port, ingressPort] = process.argv.slice(2).map(Number);
const subscribers = new Map();

function subscribersOf(topic) {
  if (!subscribers.has(topic)) subscribers.set(topic, new Set());
  return subscribers.get(topic);
}

const server = new WebSocketServer({ host: "127.0.0.1", port, perMessageDeflate: false });
server.on("connection", (socket) => {
  socket.once("message", (request) => {
    const { topics } = JSON.parse(request);
    for (const topic of topics) subscribersOf(topic).add(socket);
    socket.on("close", () => topics.forEach((topic) => subscribersOf(topic).delete(socket)));
    socket.send('{"ready":true}');
  });
  socket.on("error", () => socket.terminate());
});

net.createServer((feed) => {
  let buffer = Buffer.alloc(0);
  feed.on("data", (data) => {
    buffer = buffer.length ? Buffer.concat([buffer, data]) : data;
    for (let end = buffer.indexOf(10); end >= 0; end = buffer.indexOf(10)) {
      const tab = buffer.indexOf(9);
      const topic = buffer.toString("utf8", 0, tab);
      const message = buffer.subarray(tab + 1, end);
      for (const socket of subscribersOf(topic)) {
        if (socket.readyState === WebSocket.OPEN) socket.send(message, { binary: false });
      }
      buffer = buffer.subarray(end + 1);
    }
  });
}).listen(ingressPort, "127.0.0.1");
