// Handlers of the TypeScript SDK for test_typescript.py: node typescript_service.mjs PORT.
import "./polyfill.mjs";
import * as http2 from "node:http2";
import * as restate from "@restatedev/restate-sdk";

const { RestatePromise } = restate;

const box = restate.object({
  name: "TsBox",
  handlers: {
    put: async (ctx, entry) => ctx.set(entry[0], entry[1]),
    look: restate.handlers.object.shared(async (ctx, name) => await ctx.get(name)),
  },
});

// Leaves the ids of some awakeables in a box.
async function awakeables(ctx, key, count) {
  const made = Array.from({ length: count }, () => ctx.awakeable());
  await ctx.objectClient(box, key).put(["awakeables", made.map((each) => each.id)]);
  return made.map((each) => each.promise);
}

const combine = restate.service({
  name: "TsCombine",
  handlers: {
    all: async (ctx, key) => await RestatePromise.all(await awakeables(ctx, key, 2)),
    any: async (ctx, key) => await RestatePromise.any(await awakeables(ctx, key, 2)),
    race: async (ctx, key) => await RestatePromise.race(await awakeables(ctx, key, 2)),
    allSettled: async (ctx, key) =>
      (await RestatePromise.allSettled(await awakeables(ctx, key, 2))).map((each) => each.status),
    nested: async (ctx, key) => {
      const [a, b, c] = await awakeables(ctx, key, 3);
      return await RestatePromise.all([RestatePromise.race([a, b]), c]);
    },
    mapped: async (ctx, key) => {
      const [a, b] = await awakeables(ctx, key, 2);
      return await RestatePromise.all([a.map((value) => `${value}!`), b]);
    },
    steps: async (ctx, name) => {
      const steps = [1, 2, 3].map((step) => ctx.run(`step ${step}`, () => `${name}-${step}`));
      const done = await RestatePromise.all(steps);
      await ctx.sleep(300);
      return done;
    },
  },
  // Nothing is kept open for long.
  options: { inactivityTimeout: 100 },
});

const scoped = restate.service({
  name: "TsScope",
  handlers: {
    where: async (ctx) => {
      const { scope, limitKey } = ctx.request();
      return { scope, limitKey };
    },
    callees: async (ctx, scope) => {
      const within = ctx.scope(scope);
      const limited = restate.rpc.opts({ limitKey: "gold/eu" });
      await within.objectClient(box, "shared").put(["name", "of the scope"]);
      await ctx.objectClient(box, "shared").put(["name", "of none"]);
      return {
        plain: await ctx.serviceClient(scoped).where(),
        scoped: await within.serviceClient(scoped).where(),
        limited: await within.serviceClient(scoped).where(limited),
        object: await within.objectClient(box, "shared").look("name"),
      };
    },
  },
});

// Values with a prefix before their JSON, which previews show without it.
const prefixed = {
  contentType: "application/x-prefixed",
  serialize: (value) => new TextEncoder().encode(`P:${JSON.stringify(value)}`),
  deserialize: (data) => JSON.parse(new TextDecoder().decode(data).slice(2)),
  preview: { toJsonString: (value) => JSON.stringify(value), fromJsonString: (json) => JSON.parse(json) },
};

const previewed = restate.service({
  name: "TsPreview",
  handlers: {
    greet: restate.handlers.handler({ input: prefixed, output: prefixed }, async (ctx, name) => `hi ${name}`),
    plain: async (ctx, name) => name,
  },
});

const handler = restate.endpoint().bind(box).bind(combine).bind(scoped).bind(previewed).http2Handler();
http2.createServer(handler).listen(Number(process.argv[2]), "127.0.0.1");
