// The soak's counters by the TypeScript SDK: node service.mjs PORT.
import "./polyfill.mjs";
import * as http2 from "node:http2";
import * as restate from "@restatedev/restate-sdk";

const counter = restate.object({
  name: "TsCounter",
  handlers: {
    add: async (ctx, delta) => {
      const value = ((await ctx.get("value")) ?? 0) + delta;
      ctx.set("value", value);
      return value;
    },
    get: restate.handlers.object.shared(async (ctx) => (await ctx.get("value")) ?? 0),
  },
  options: { idempotencyRetention: { seconds: 100 }, journalRetention: 0 },
});

const handler = restate.endpoint().bind(counter).http2Handler();
http2.createServer(handler).listen(Number(process.argv[2]), "127.0.0.1");
