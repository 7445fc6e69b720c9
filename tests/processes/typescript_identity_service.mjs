// As identity_service.py, with the TypeScript SDK: node typescript_identity_service.mjs PORT IDENTITY_KEYS [CERT KEY].
import "./polyfill.mjs";
import * as fs from "node:fs";
import * as http2 from "node:http2";
import * as restate from "@restatedev/restate-sdk";

const who = restate.object({ name: "Who", handlers: { key: async (ctx) => ctx.key } });
const hello = restate.service({
  name: "Hello",
  handlers: { greet: async (ctx, name) => `Hello, ${await ctx.objectClient(who, name).key("")}!` },
});

const [port, keys, certificate, key] = process.argv.slice(2);
const handler = restate.createEndpointHandler({ services: [who, hello], identityKeys: keys.split(",") });
const server = certificate
  ? http2.createSecureServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) }, handler)
  : http2.createServer(handler);
server.listen(Number(port), "127.0.0.1");
