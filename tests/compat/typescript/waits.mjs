// Awakeables, signals, combinators, and cancellation while it waits.
import * as restate from "@restatedev/restate-sdk";
import { few, outcome } from "./peers.mjs";

const { RestatePromise, TerminalError } = restate;
const hour = { hours: 1 };
const binary = restate.serde.binary;

function helper(peers) {
  return peers.service("Helper", {
    resolves: async (ctx, [id, value]) => ctx.resolveAwakeable(id, value),
    rejects: async (ctx, [id, message, code]) =>
      ctx.rejectAwakeable(id, new TerminalError(message, { errorCode: code })),
    rejects_by_text: async (ctx, [id, message]) => ctx.rejectAwakeable(id, message),
    resolves_bytes: async (ctx, id) => ctx.resolveAwakeable(id, new Uint8Array([0, 255]), binary),
    signals: async (ctx, [id, name, value]) => ctx.invocation(id).signal(name).resolve(value),
    rejects_signal: async (ctx, [id, name, message, code]) =>
      ctx.invocation(id).signal(name).reject(new TerminalError(message, { errorCode: code })),
  }, { retryPolicy: few });
}

export function waitServices(peers) {
  // Awakeables whose ids are left in a box.
  const told = async (ctx, key, count) => {
    const made = Array.from({ length: count }, () => ctx.awakeable());
    await ctx.objectClient(peers.peer("Box"), key).put(["awakeables", made.map((each) => each.id)]);
    return made.map((each) => each.promise);
  };
  const help = (ctx) => ctx.serviceClient(peers.peer("Helper"));
  const single = {
    awakeable: async (ctx, key) => await (await told(ctx, key, 1))[0],
    own_awakeables: async (ctx) => {
      const [good, bad, text, raw] = [ctx.awakeable(), ctx.awakeable(), ctx.awakeable(), ctx.awakeable(binary)];
      await help(ctx).resolves([good.id, { a: 1 }]);
      await help(ctx).rejects([bad.id, "not this one", 417]);
      await help(ctx).rejects_by_text([text.id, "nor this"]);
      await help(ctx).resolves_bytes(raw.id);
      return [await good.promise, await outcome(bad.promise), await outcome(text.promise), [...(await raw.promise)]];
    },
    resolved_twice: async (ctx) => {
      const { id, promise } = ctx.awakeable();
      ctx.resolveAwakeable(id, "first");
      ctx.rejectAwakeable(id, "second");
      await ctx.sleep(10);
      await outcome(promise);
    },
    signal: async (ctx) => await ctx.signal("go"),
    own_signals: async (ctx) => {
      const me = ctx.request().id;
      await help(ctx).signals([me, "early", [1, 2]]);
      const early = await ctx.signal("early");
      const send = ctx.serviceSendClient(peers.peer("Helper"));
      send.rejects_signal([me, "bad", "rejected", 418]);
      send.signals([me, "late", "l"], restate.rpc.sendOpts({ delay: 300 }));
      return [early, await outcome(ctx.signal("bad")), await ctx.signal("late")];
    },
    // Two names in one combinator.
    both_signals: async (ctx) => await RestatePromise.all([ctx.signal("a"), ctx.signal("b")]),
    // Cancelled, it waits again, for long; told by a signal, it tells whether that took no more attempts than it has to.
    waits_on_after_cancel: async (ctx) => {
      const tried = peers.attempts(ctx);
      try {
        await ctx.sleep(hour);
      } catch (error) {
        if (!(error instanceof TerminalError)) throw error;
        await ctx.signal("go");
        return tried <= 3;
      }
    },
    // One of the name is there already.
    awaits_a_name_twice: async (ctx) => {
      const tried = peers.attempts(ctx);
      return [await ctx.signal("go"), await ctx.signal("go"), tried <= 3];
    },
    same_signal_twice: async (ctx) => {
      for (const value of ["a", "b"]) await help(ctx).signals([ctx.request().id, "again", value]);
      return [await ctx.signal("again"), await ctx.signal("again")];
    },
    for_ever: async (ctx) => {
      await ctx.sleep(hour);
      return "slept";
    },
    cleans_up: async (ctx, key) => {
      try {
        await ctx.sleep(hour);
      } catch (error) {
        if (!(error instanceof TerminalError)) throw error;
        await ctx.objectClient(peers.peer("Box"), key).put(["cleaned", [error.message, error.code]]);
        throw error;
      }
    },
    goes_on_after_cancel: async (ctx) => {
      try {
        await ctx.sleep(hour);
      } catch (error) {
        if (!(error instanceof restate.CancelledError)) throw error;
        await ctx.sleep(10);
        return [error.code, error.message];
      }
    },
    cancelled_in_a_call: async (ctx) => await ctx.serviceClient(peers.peer("Callee")).sleeps_long(),
    cancelled_in_a_gather: async (ctx) => {
      await RestatePromise.all([ctx.serviceClient(peers.peer("Callee")).sleeps_long(), ctx.sleep(hour)]);
    },
  };
  return [
    helper(peers),
    peers.service("Waits", { ...single, ...combinators(peers, told) }, { inactivityTimeout: 100, retryPolicy: few }),
    peers.service("Explicit", explicit(peers), { inactivityTimeout: 100, explicitCancellation: true }),
  ];
}

function combinators(peers, told) {
  const all = async (ctx, key) => await RestatePromise.all(await told(ctx, key, 2));
  return {
    all,
    gathers: async (ctx, key) =>
      (await RestatePromise.allSettled(await told(ctx, key, 2))).map((each) =>
        each.status === "fulfilled" ? each.value : [each.reason.code, each.reason.message],
      ),
    any: async (ctx, key) => await RestatePromise.any(await told(ctx, key, 2)),
    race: async (ctx, key) => await RestatePromise.race(await told(ctx, key, 2)),
    selects: async (ctx, key) => {
      const [first, second] = await told(ctx, key, 2);
      const named = (name) => (value, failure) => [name, failure?.message ?? value];
      return await RestatePromise.race([first.map(named("first")), second.map(named("second")), ctx.sleep(hour)]);
    },
    select_times_out: async (ctx, key) => await outcome((await told(ctx, key, 1))[0].orTimeout(30)),
    in_time: async (ctx, key) => await (await told(ctx, key, 1))[0].orTimeout(hour),
    mapped: async (ctx, key) => {
      const [first, second] = await told(ctx, key, 2);
      const told_apart = (value, failure) => (failure ? `failed: ${failure.message}` : `${value}!`);
      return await RestatePromise.all([first.map(told_apart), second.map(told_apart)]);
    },
    nests: async (ctx, key) => {
      const [first, second, third] = await told(ctx, key, 3);
      return await RestatePromise.all([RestatePromise.race([first, second]), third]);
    },
    of_every_kind: async (ctx, key) => {
      const [awakeable] = await told(ctx, key, 1);
      const call = ctx.serviceClient(peers.peer("Callee")).naps("called");
      const run = ctx.run("run", () => "ran");
      return await RestatePromise.all([awakeable, call, run, ctx.sleep(10), ctx.signal("go")]);
    },
    settled_at_once: async () => {
      const bad = RestatePromise.reject(new TerminalError("settled", { errorCode: 418 }));
      const good = RestatePromise.resolve(1);
      return [await RestatePromise.all([good, RestatePromise.resolve(2)]), await outcome(bad)];
    },
  };
}

// Cancellation that the handler asks for itself.
function explicit(peers) {
  return {
    sees_it: async (ctx) => {
      const winner = await RestatePromise.race([
        ctx.cancellation().map(() => "cancelled"),
        ctx.sleep(hour).map(() => "slept"),
      ]);
      await ctx.sleep(10);
      return winner;
    },
    passes_it_on: async (ctx) => {
      const call = ctx.serviceClient(peers.peer("Callee")).sleeps_long();
      await ctx.cancellation();
      const cancelled = await ctx.cancelPreviousCalls();
      return [cancelled.length, await outcome(call)];
    },
    is_cancelled_twice: async (ctx) => {
      await ctx.cancellation();
      await ctx.cancellation();
      return "twice";
    },
  };
}
