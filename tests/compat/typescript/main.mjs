// The TypeScript service of the differential suite: node main.mjs PORT.
//
// Served under /<side>/<mode>/ as ../python/main.py is: `e` is Everlog, `o` the oracle; a mode is `b` (both ways)
// or `r` (request-response) and the one protocol version that its discovery admits.
import "./polyfill.mjs";
import * as http2 from "node:http2";
import * as restate from "@restatedev/restate-sdk";
import { Peers } from "./peers.mjs";
import { stateServices } from "./state.mjs";
import { stepServices } from "./steps.mjs";
import { callServices } from "./calls.mjs";
import { waitServices } from "./waits.mjs";
import { flowServices } from "./flow.mjs";
import { errorServices } from "./errors.mjs";

const handlers = {};
for (const side of ["e", "o"]) {
  for (const mode of ["b5", "b6", "b7", "r5", "r6", "r7"]) {
    const peers = new Peers(mode);
    const services = [stateServices, stepServices, callServices, waitServices, flowServices, errorServices].flatMap(
      (make) => make(peers),
    );
    handlers[`/${side}/${mode}`] = restate.createEndpointHandler({
      services,
      bidirectional: mode.startsWith("b"),
      logger: () => {},
    });
  }
}

// Says only the mode's protocol version in the discovery's answer.
function narrow(response, version) {
  const chunks = [];
  const end = response.end.bind(response);
  response.write = (chunk, done) => {
    chunks.push(Buffer.from(chunk));
    done?.();
    return true;
  };
  response.end = (...rest) => {
    // The real `end` writes by itself.
    delete response.write;
    const body = Buffer.concat(chunks).toString();
    if (!body.startsWith("{")) return end(body, ...rest);
    const manifest = JSON.parse(body);
    manifest.minProtocolVersion = manifest.maxProtocolVersion = version;
    return end(JSON.stringify(manifest), ...rest);
  };
}

http2
  .createServer((request, response) => {
    const [, side, mode, ...rest] = request.url.split("/");
    request.url = "/" + rest.join("/");
    if (rest[0] === "discover") narrow(response, Number(mode[1]));
    handlers[`/${side}/${mode}`](request, response);
  })
  .listen(Number(process.argv[2]), "127.0.0.1");
