// The service of the rows about sleepers: node sleeper.mjs PORT. It speaks the service protocol (v5) itself, without an
// SDK, so that ten thousand that wake in one second are the runtime's work and not this process's.
import * as http2 from "node:http2";

// Message types of the service protocol.
const START = 0x0000, SUSPENSION = 0x0001, END = 0x0003, INPUT = 0x0400, OUTPUT = 0x0401, SLEEP = 0x040c;
const NAP_COMPLETION = 1;
const json = "application/json";
const handler = (name) => ({
  name,
  input: { required: false, contentType: json },
  output: { setContentTypeIfEmpty: false, contentType: json },
});
const manifest = JSON.stringify({
  protocolMode: "BIDI_STREAM",
  minProtocolVersion: 5,
  maxProtocolVersion: 5,
  services: [{ name: "BenchSleeper", ty: "SERVICE", handlers: [handler("nap"), handler("report")] }],
});

// Who woke, by batch; kept by this process, not by the runtime.
const woken = new Map();
const seen = (batch) => woken.get(batch) ?? { count: 0, last: 0 };

// ---- protobuf, as much as is needed here

const varint = (value) => {
  const bytes = [];
  // Not by shifts, which are of 32 bits: times have 41.
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return [...bytes, value];
};
const readVarint = (data, at) => {
  let value = 0, factor = 1;
  for (; data[at] >= 128; at++, factor *= 128) value += (data[at] - 128) * factor;
  return [value + data[at] * factor, at + 1];
};
// The last value of each field by its number: a number, or bytes.
const fields = (data) => {
  const found = {};
  for (let at = 0, tag, value; at < data.length; ) {
    [tag, at] = readVarint(data, at);
    [value, at] = readVarint(data, at);
    if (tag % 8 === 2) [value, at] = [data.subarray(at, at + value), at + value];
    else if (tag % 8 !== 0) throw new Error(`wire type ${tag % 8}`);
    found[tag >> 3] = value;
  }
  return found;
};
const bytesField = (number, data) => Buffer.concat([Buffer.from([number * 8 + 2, ...varint(data.length)]), data]);

const frame = (type, body) => {
  const head = Buffer.alloc(8);
  head.writeUInt16BE(type, 0);
  head.writeUInt32BE(body.length, 4);
  return Buffer.concat([head, body]);
};
const frames = (data) => {
  const found = [];
  for (let at = 0; at + 8 <= data.length; ) {
    const end = at + 8 + data.readUInt32BE(at + 4);
    if (end > data.length) break;
    found.push({ type: data.readUInt16BE(at), body: data.subarray(at + 8, end) });
    at = end;
  }
  return found;
};

// ---- the handlers

const output = (value) => {
  const content = bytesField(1, Buffer.from(JSON.stringify(value)));
  return [frame(OUTPUT, bytesField(14, content)), frame(END, Buffer.alloc(0))];
};
const sleep = (until) => [
  frame(SLEEP, Buffer.from([8, ...varint(until), 11 * 8, NAP_COMPLETION])),
  frame(SUSPENSION, bytesField(1, Buffer.from([NAP_COMPLETION]))),
];
const handlers = {
  "/invoke/BenchSleeper/nap": ({ batch, until }, slept) => {
    if (!slept) return sleep(until);
    woken.set(batch, { count: seen(batch).count + 1, last: Date.now() });
    return output(null);
  },
  "/invoke/BenchSleeper/report": (batch) => output(seen(batch)),
};

const answer = (handle, data) => {
  const [start, input, ...replayed] = frames(data);
  if (start?.type !== START) return null;
  const known = fields(start.body)[3];
  if (replayed.length + 1 < known) return null;
  if (input?.type !== INPUT) return null;
  const content = fields(fields(input.body)[14])[1];
  // The input and the sleep are known: this is the attempt after it.
  return Buffer.concat(handle(JSON.parse(content), known > 1));
};

const server = http2.createServer();
server.on("stream", (stream, headers) => {
  const path = headers[":path"];
  stream.on("error", () => stream.destroy());
  if (path === "/discover") {
    stream.respond({ ":status": 200, "content-type": "application/vnd.restate.endpointmanifest.v1+json" });
    stream.end(manifest);
    return;
  }
  if (!(path in handlers)) {
    stream.respond({ ":status": 404 }, { endStream: true });
    return;
  }
  let data = Buffer.alloc(0);
  stream.on("data", (chunk) => {
    data = Buffer.concat([data, chunk]);
    const found = answer(handlers[path], data);
    if (found === null || stream.headersSent) return;
    stream.respond({ ":status": 200, "content-type": "application/vnd.restate.invocation.v5" });
    stream.end(found);
  });
});
server.listen(Number(process.argv[2]), "127.0.0.1");
