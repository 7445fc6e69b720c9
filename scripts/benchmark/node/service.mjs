// The service of the `ts` rows: node service.mjs PORT. The same handlers as ../endpoint_python.py.
import "./polyfill.mjs";
import * as http2 from "node:http2";
import * as restate from "@restatedev/restate-sdk";

const greeter = restate.service({
  name: "BenchGreeter",
  handlers: {
    // No steps: what an invocation costs at least.
    greet: async (ctx, name) => `Hello, ${name}!`,
    // Three results that are stored one after the other.
    threeSteps: async (ctx, name) => {
      for (const step of [1, 2, 3]) {
        const before = name;
        name = await ctx.run(`step ${step}`, () => `${before}-${step}`);
      }
      return name;
    },
  },
});

const counter = restate.object({
  name: "BenchCounter",
  handlers: {
    // Read and write one value of the object.
    add: async (ctx, delta) => {
      const value = ((await ctx.get("value")) ?? 0) + delta;
      ctx.set("value", value);
      return value;
    },
  },
});

const handler = restate.endpoint().bind(greeter).bind(counter).http2Handler();
http2.createServer(handler).listen(Number(process.argv[2]), "127.0.0.1");
