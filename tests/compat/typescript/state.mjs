// State of an object, sent along or read on demand, with each serde.
import * as restate from "@restatedev/restate-sdk";

const { shared } = restate.handlers.object;
const binary = restate.serde.binary;

// Text, back to front.
const reversed = {
  contentType: "text/plain",
  serialize: (text) => new TextEncoder().encode([...text].reverse().join("")),
  deserialize: (data) => [...new TextDecoder().decode(data)].reverse().join(""),
};

// The same handlers for both ways of getting the state.
const common = {
  put: async (ctx, [name, value]) => {
    ctx.set(name, value);
    return (await ctx.stateKeys()).sort();
  },
  look: shared(async (ctx, name) => await ctx.get(name)),
  names: shared(async (ctx) => [ctx.key, (await ctx.stateKeys()).sort()]),
  take_off: async (ctx, name) => ctx.clear(name),
  wipe: async (ctx) => ctx.clearAll(),
  tour: async (ctx) => {
    ctx.set("a", 1);
    ctx.set("b", { deep: [1, null, "ä"] });
    const seen = [await ctx.get("a"), await ctx.get("b"), await ctx.get("none"), (await ctx.stateKeys()).sort()];
    ctx.clear("a");
    seen.push(await ctx.get("a"), (await ctx.stateKeys()).sort());
    ctx.clearAll();
    seen.push(await ctx.get("b"), await ctx.stateKeys());
    ctx.set("c", "last");
    return [...seen, await ctx.get("c")];
  },
  across_a_sleep: async (ctx) => {
    const before = await ctx.get("n");
    ctx.set("n", (before ?? 0) + 1);
    await ctx.sleep(20);
    ctx.set("n", (await ctx.get("n")) + 10);
    return [before, await ctx.get("n")];
  },
  serdes: async (ctx) => {
    ctx.set("bytes", new Uint8Array([0, 255]), binary);
    ctx.set("text", "straight", reversed);
    ctx.set("json", { a: 1 }, restate.serde.json);
    const raw = await ctx.get("bytes", binary);
    return [[...raw], await ctx.get("text", reversed), await ctx.get("json", restate.serde.json)];
  },
  nothing_much: async (ctx) => {
    ctx.set("empty", new Uint8Array(), binary);
    ctx.set("", "of no name");
    ctx.set("null", null);
    return [[...((await ctx.get("empty", binary)) ?? [1])], await ctx.get(""), await ctx.get("null")];
  },
  large: async (ctx, size) => {
    ctx.set("large", "x".repeat(size));
    await ctx.sleep(10);
    return (await ctx.get("large")).length;
  },
};

export function stateServices(peers) {
  const box = {
    ...common,
    append: async (ctx, text) => {
      const texts = (await ctx.get("texts")) ?? [];
      await ctx.sleep(5);
      ctx.set("texts", [...texts, text]);
      return [...texts, text];
    },
    calls_itself_shared: async (ctx) => {
      ctx.set("a", "by the caller");
      return await ctx.objectClient(peers.peer("Box"), ctx.key).look("a");
    },
  };
  return [
    peers.object("Box", box, { inactivityTimeout: { seconds: 2 } }),
    peers.object("Lazy", { ...common }, { enableLazyState: true, inactivityTimeout: 2000 }),
  ];
}
