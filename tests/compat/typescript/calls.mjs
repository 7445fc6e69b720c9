// Calls and sends of every kind, attach and cancel.
import * as restate from "@restatedev/restate-sdk";
import { few, outcome } from "./peers.mjs";

const { RestatePromise, TerminalError, rpc } = restate;
const binary = restate.serde.binary;
// Time for a callee to begin.
const begins = 500;
const text = new TextEncoder();

function calleeServices(peers) {
  const callee = {
    echo: async (ctx, value) => value,
    headers: async (ctx) =>
      Object.fromEntries([...ctx.request().headers].filter(([name]) => name.startsWith("x-")).sort()),
    fails: async (ctx, code) => {
      throw new TerminalError("as asked", { errorCode: code });
    },
    fails_with_metadata: async () => {
      throw new TerminalError("told apart", { errorCode: 422, metadata: { kind: "a", why: "b" } });
    },
    naps: async (ctx, value) => {
      await ctx.sleep(50);
      return value;
    },
    sleeps_long: async (ctx) => {
      await ctx.sleep({ hours: 1 });
      return "slept";
    },
    raw: restate.handlers.handler({ accept: "*/*", input: binary, output: binary }, async (ctx, value) =>
      value.reverse(),
    ),
    nothing: async () => {},
  };
  const hidden = { answer: async () => 42 };
  return [
    peers.service("Callee", callee, { inactivityTimeout: 200 }),
    peers.service("Hidden", hidden, { ingressPrivate: true }),
  ];
}

export function callServices(peers) {
  const callee = peers.peer("Callee");
  const box = peers.peer("Box");
  const calls = {
    service_call: async (ctx, value) => await ctx.serviceClient(callee).echo(value),
    object_call: async (ctx, key) => {
      const names = await ctx.objectClient(box, key).put(["a", 1]);
      return [names, await ctx.objectClient(box, key).look("a")];
    },
    workflow_call: async (ctx, key) => await ctx.workflowClient(peers.peer("Flow"), key).simple("in"),
    workflow_run_twice: async (ctx, key) => {
      const first = await ctx.workflowClient(peers.peer("Quick"), key).run("in");
      return [first, await outcome(ctx.workflowClient(peers.peer("Quick"), key).run("again"))];
    },
    with_headers: async (ctx) =>
      await ctx
        .serviceClient(callee)
        .headers(rpc.opts({ headers: { "x-one": "1", "X-Two": "zwei", "x-restate-mine": "3" }, name: "named call" })),
    idempotent_calls: async (ctx, idempotencyKey) => {
      const first = ctx.serviceClient(callee).echo("first", rpc.opts({ idempotencyKey }));
      const second = ctx.serviceClient(callee).echo("second", rpc.opts({ idempotencyKey }));
      const same = (await first.invocationId) === (await second.invocationId);
      return [await first, await second, same];
    },
    sends: async (ctx, key) => {
      const ids = [
        await ctx.serviceSendClient(callee).echo("x", rpc.sendOpts({ headers: { "x-sent": "1" } })).invocationId,
        await ctx.objectSendClient(box, key).put(["b", 2]).invocationId,
        await ctx.workflowSendClient(peers.peer("Quick"), key).run("in").invocationId,
      ];
      const results = [];
      for (const id of ids) results.push(await ctx.attach(id));
      return results;
    },
    delayed_sends: async (ctx, key) => {
      const delay = { milliseconds: 400 };
      const generic = { service: peers.nameOf("Callee"), method: "echo", parameter: "late too", delay };
      const handles = [
        ctx.serviceSendClient(callee).echo("late", rpc.sendOpts({ delay })),
        ctx.objectSendClient(box, key).put(["late", 1], rpc.sendOpts({ delay })),
        ctx.workflowSendClient(peers.peer("Quick"), key).run("late", rpc.sendOpts({ delay: 400 })),
        ctx.genericSend({ ...generic, inputSerde: restate.serde.json, name: "named send" }),
      ];
      const results = [];
      for (const handle of handles) results.push(await ctx.attach(await handle.invocationId));
      return results;
    },
    idempotent_sends: async (ctx, idempotencyKey) => {
      const handles = [1, 2].map((number) =>
        ctx.serviceSendClient(callee).echo(number, rpc.sendOpts({ idempotencyKey, delay: 400 })),
      );
      const [first, second] = [await handles[0].invocationId, await handles[1].invocationId];
      return [first === second, await ctx.attach(first)];
    },
    generic: async (ctx, key) => {
      const raw = await ctx.genericCall({
        service: peers.nameOf("Callee"),
        method: "raw",
        parameter: text.encode("abc"),
        headers: { "x-one": "1" },
      });
      const put = { service: peers.nameOf("Box"), method: "put", key, inputSerde: restate.serde.json };
      const first = await ctx.genericCall({
        ...put,
        parameter: ["a", 1],
        outputSerde: restate.serde.json,
        idempotencyKey: `${key}-generic`,
      });
      const { invocationId } = ctx.genericSend({ ...put, parameter: ["b", 2] });
      return [new TextDecoder().decode(raw), first, await ctx.attach(await invocationId, restate.serde.json)];
    },
    descriptors: async (ctx, key) => {
      const described = ctx.client({ name: peers.nameOf("Callee"), kind: "service", handlers: { echo: {} } });
      const object = ctx.sendClient({ name: peers.nameOf("Box"), kind: "object", handlers: { put: {} } }, key);
      const { invocationId } = object.put(["d", 4]);
      return [await described.echo("described"), await ctx.attach(await invocationId)];
    },
    serdes: async (ctx) => {
      const opts = rpc.opts({ input: binary, output: binary });
      return [...(await ctx.serviceClient(callee).raw(new Uint8Array([0, 1, 255]), opts))];
    },
    private_call: async (ctx) => [await ctx.serviceClient(peers.peer("Hidden")).answer()],
    empty_call: async (ctx) => [(await ctx.serviceClient(callee).nothing()) ?? null],
    failing_call: async (ctx, code) => await ctx.serviceClient(callee).fails(code),
    caught_failure: async (ctx) => {
      try {
        await ctx.serviceClient(callee).fails_with_metadata();
      } catch (error) {
        if (!(error instanceof TerminalError)) throw error;
        return [error.code, error.message, error.metadata ?? null];
      }
      return "not failed";
    },
    passed_on_failure: async (ctx) => await ctx.serviceClient(callee).fails_with_metadata(),
    many_at_once: async (ctx) =>
      await RestatePromise.all([0, 1, 2, 3, 4, 5].map((number) => ctx.serviceClient(callee).echo(number))),
    cancels_its_call: async (ctx) => {
      const call = ctx.serviceClient(callee).sleeps_long();
      await ctx.sleep(begins);
      ctx.cancel(await call.invocationId);
      return await outcome(call);
    },
    cancels_its_send: async (ctx) => {
      const id = await ctx.serviceSendClient(callee).sleeps_long().invocationId;
      await ctx.sleep(begins);
      ctx.invocation(id).cancel();
      return await outcome(ctx.invocation(id).attach());
    },
    cancels_what_is_scheduled: async (ctx) => {
      const id = await ctx.serviceSendClient(callee).echo(1, rpc.sendOpts({ delay: { hours: 1 } })).invocationId;
      ctx.cancel(id);
      return await outcome(ctx.attach(id));
    },
    cancels: async (ctx, invocation) => ctx.cancel(restate.InvocationIdParser?.fromString(invocation) ?? invocation),
    attaches: async (ctx, invocation) => await ctx.attach(invocation, restate.serde.json),
    attaches_to_a_failure: async (ctx) =>
      await outcome(ctx.attach(await ctx.serviceSendClient(callee).fails(417).invocationId)),
    awaits_a_sleeper: async (ctx) => await ctx.serviceClient(callee).sleeps_long(),
    has_children: async (ctx) => {
      ctx.serviceSendClient(callee).sleeps_long();
      return await ctx.serviceClient(peers.peer("Calls")).awaits_a_sleeper();
    },
    deep: async (ctx, depth) => (depth === 0 ? 0 : 1 + (await ctx.serviceClient(peers.peer("Calls")).deep(depth - 1))),
  };
  return [...calleeServices(peers), peers.service("Calls", calls, { inactivityTimeout: 5000, retryPolicy: few })];
}
