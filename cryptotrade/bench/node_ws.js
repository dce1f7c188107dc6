// The peer `node-ws`: the `ws` package, one encoded Buffer for all readers of a topic.
// node node_ws.js PORT INGRESS; updates come in as lines `topic TAB message`.
const net = require("node:net");
const { WebSocketServer, WebSocket } = require("ws");

const [port, ingress] = process.argv.slice(2).map(Number);
const readers = new Map();

function readersOf(topic) {
  if (!readers.has(topic)) readers.set(topic, new Set());
  return readers.get(topic);
}

const server = new WebSocketServer({ host: "127.0.0.1", port, perMessageDeflate: false });
server.on("connection", (socket) => {
  socket.once("message", (said) => {
    const { topics } = JSON.parse(said);
    for (const topic of topics) readersOf(topic).add(socket);
    socket.on("close", () => topics.forEach((topic) => readersOf(topic).delete(socket)));
    socket.send('{"ready":true}');
  });
  socket.on("error", () => socket.terminate());
});

net.createServer((feed) => {
  let rest = Buffer.alloc(0);
  feed.on("data", (data) => {
    rest = rest.length ? Buffer.concat([rest, data]) : data;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const tab = rest.indexOf(9);
      const topic = rest.toString("utf8", 0, tab);
      const message = rest.subarray(tab + 1, end);
      for (const socket of readersOf(topic)) {
        if (socket.readyState === WebSocket.OPEN) socket.send(message, { binary: false });
      }
      rest = rest.subarray(end + 1);
    }
  });
}).listen(ingress, "127.0.0.1");
