// Workflows: one run for each key, durable promises, state that others may read.
import * as restate from "@restatedev/restate-sdk";
import { outcome } from "./peers.mjs";

const { RestatePromise } = restate;
const { shared } = restate.handlers.workflow;

export function flowServices(peers) {
  const flow = {
    run: async (ctx, word) => {
      ctx.set("word", word);
      const opened = await ctx.promise("open");
      ctx.set("opened", opened);
      return [word, opened, ctx.key];
    },
    simple: shared(async (ctx, value) => [ctx.key, value, await ctx.get("word"), (await ctx.stateKeys()).sort()]),
    opens: shared(async (ctx, value) => {
      await ctx.promise("open").resolve(value);
      return "opened";
    }),
    shuts: shared(async (ctx, [message]) => {
      await ctx.promise("open").reject(message);
      return "shut";
    }),
    peeks: shared(async (ctx) => (await ctx.promise("open").peek()) ?? null),
    awaits: shared(async (ctx) => await ctx.promise("open").get()),
    completes_twice: shared(async (ctx) => {
      const promise = ctx.promise("twice");
      await promise.resolve("first");
      const seen = [await promise.peek()];
      for (const again of [() => promise.resolve("second"), () => promise.reject("third")]) {
        seen.push(await outcome(again()));
      }
      return [...seen, await promise];
    }),
    raw_promise: shared(async (ctx) => {
      const promise = ctx.promise("raw", restate.serde.binary);
      const before = (await promise.peek()) ?? null;
      await promise.resolve(new Uint8Array([0, 255]));
      return [before, [...(await promise.get())]];
    }),
    rejected_promise: shared(async (ctx) => {
      const promise = ctx.promise("rejected");
      await promise.reject("no");
      return [await outcome(promise.get()), await outcome(promise.peek())];
    }),
    selects_a_promise: shared(async (ctx) => {
      const late = ctx.sleep(20).map(() => "late");
      return await RestatePromise.race([ctx.promise("never").get(), late]);
    }),
  };
  const brief = {
    run: async (ctx, value) => {
      ctx.set("word", value);
      return `ran ${value}`;
    },
  };
  return [
    peers.workflow("Flow", flow, { inactivityTimeout: 100 }),
    peers.workflow("Quick", { run: async (ctx, value) => `ran ${value}` }),
    peers.workflow("Brief", brief, { workflowRetention: 0, inactivityTimeout: 5000 }),
  ];
}
