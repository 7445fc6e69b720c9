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

// A call chain of depth three between services: what the last one says goes back through all.
const step = (number, next) => async (ctx, text) => {
  const answer = next ? await ctx.serviceClient({ name: next }).call(text) : text;
  return `${answer}-${number}`;
};
const first = restate.service({ name: "BenchFirst", handlers: { call: step(1, "BenchSecond") } });
const second = restate.service({ name: "BenchSecond", handlers: { call: step(2, "BenchThird") } });
const third = restate.service({ name: "BenchThird", handlers: { call: step(3) } });

const fan = restate.service({
  name: "BenchFan",
  handlers: {
    // Calls so many others at once and gathers what they say.
    out: async (ctx, count) => {
      const calls = [];
      for (let number = 0; number < count; number++) calls.push(ctx.serviceClient({ name: "BenchFan" }).one(number));
      return (await restate.RestatePromise.all(calls)).length;
    },
    // The others are served by another program.
    outCheap: async (ctx, count) => {
      const calls = [];
      for (let number = 0; number < count; number++) calls.push(ctx.serviceClient({ name: "Cheap" }).greet(number));
      return (await restate.RestatePromise.all(calls)).length;
    },
    one: async (ctx, number) => number,
  },
});

const blob = restate.object({
  name: "BenchBlob",
  handlers: {
    // Read and write a value of so many bytes.
    turn: async (ctx, size) => {
      const before = (await ctx.get("blob")) ?? "";
      ctx.set("blob", (before.startsWith("a") ? "b" : "a").repeat(size));
      return size;
    },
  },
});

const services = [greeter, counter, first, second, third, fan, blob];
const endpoint = services.reduce((bound, service) => bound.bind(service), restate.endpoint());
http2.createServer(endpoint.http2Handler()).listen(Number(process.argv[2]), "127.0.0.1");
