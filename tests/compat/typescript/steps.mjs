// Runs with each option, timers, chance, time, and what the request tells.
import * as restate from "@restatedev/restate-sdk";

const { RestatePromise, TerminalError } = restate;
const quick = { initialRetryInterval: 5 };

// Seen by `surroundings`: what the hooks were called for.
const hooked = [];
const hooks = [
  () => ({
    interceptor: {
      handler: async (next) => {
        hooked.push("handler");
        await next();
      },
      run: async (name, next) => {
        hooked.push(`run ${name}`);
        await next();
      },
    },
  }),
];

export function stepServices(peers) {
  const handlers = {
    three_in_turn: async (ctx, name) => {
      for (const number of [1, 2, 3]) {
        const before = name;
        name = await ctx.run(`step ${number}`, () => `${before}-${number}`);
      }
      return name;
    },
    values: async (ctx) => {
      const nothing = await ctx.run("nothing", () => undefined);
      const raw = await ctx.run("bytes", () => new Uint8Array([0, 1]), { serde: restate.serde.binary });
      return [nothing ?? null, await ctx.run("", () => ""), [...raw], await ctx.run("ünïcode", async () => "öä")];
    },
    unnamed: async (ctx) => await ctx.run(() => 42),
    side_by_side: async (ctx) => {
      const runs = [0, 1, 2, 3, 4].map((number) => ctx.run(`step ${number}`, () => number * 10));
      await RestatePromise.all([...runs, ctx.sleep(30)]);
      return await RestatePromise.all(runs);
    },
    terminal_is_caught: async (ctx) => {
      try {
        await ctx.run("fails", () => {
          throw new TerminalError("no use", { errorCode: 418 });
        });
      } catch (error) {
        if (!(error instanceof TerminalError)) throw error;
        return [error.message, error.code, await ctx.run("goes on", () => "after")];
      }
      return "not failed";
    },
    terminal_is_the_answer: async (ctx, code) =>
      await ctx.run("fails", () => {
        throw new TerminalError("no use", { errorCode: code });
      }),
    terminal_with_metadata: async (ctx) =>
      await ctx.run("fails", () => {
        throw new TerminalError("no use", { errorCode: 418, metadata: { why: "b" } });
      }),
    succeeds_at_the_third: async (ctx) =>
      await ctx.run(
        "flaky",
        () => {
          const tried = peers.attempts(ctx, "third");
          if (tried < 3) throw new Error("not yet");
          return tried;
        },
        { ...quick, maxRetryAttempts: 5 },
      ),
    attempts_run_out: async (ctx) => {
      const options = { ...quick, retryIntervalFactor: 1.5, maxRetryInterval: 5, maxRetryAttempts: 2 };
      try {
        await ctx.run("never", () => Promise.reject(new Error("never")), options);
      } catch (error) {
        if (!(error instanceof TerminalError)) throw error;
        return [error.code, error.message];
      }
      return "not failed";
    },
    time_runs_out: async (ctx) => {
      const never = () => {
        throw new Error("never");
      };
      await ctx.run("never in time", never, { initialRetryInterval: 20, maxRetryDuration: 1 });
    },
    retried_as_the_invocation_is: async (ctx) =>
      await ctx.run("plain", () => {
        if (peers.attempts(ctx, "plain") < 3) throw new Error("not yet");
        return 3;
      }),
    says_when_to_retry: async (ctx) =>
      await ctx.run("later", () => {
        if (peers.attempts(ctx, "later") < 2) throw new restate.RetryableError("in a moment", { retryAfter: 7 });
        return "then";
      }),
    sleeps: async (ctx) => {
      await ctx.sleep({ milliseconds: 10 }, "a nap");
      await ctx.sleep(0);
      const [first, second] = [ctx.sleep(20), ctx.sleep(10)];
      await second;
      await first;
      return "awake";
    },
    chance: async (ctx) => {
      const drawn = [ctx.rand.random(), ctx.rand.uuidv4()];
      const kept = await ctx.run("drawn", () => drawn);
      await ctx.sleep(10);
      return [JSON.stringify(drawn) === JSON.stringify(kept), drawn[1].length];
    },
    time: async (ctx) => {
      const first = await ctx.date.now();
      await ctx.sleep(10);
      return [first > 1_600_000_000_000, (await ctx.date.now()) > first, (await ctx.date.toJSON()).length];
    },
    request: async (ctx, body) => {
      const seen = ctx.request();
      const mine = [...seen.headers].filter(([name]) => name.startsWith("x-test")).sort();
      const attempt = ["content-type", "accept", "x-restate-invocation-id"].filter((name) =>
        seen.attemptHeaders.has(name),
      );
      const kind = seen.attemptHeaders.get("content-type");
      const text = new TextDecoder().decode(seen.body);
      const more = [seen.attemptCompletedSignal.aborted, seen.idempotencyKey !== undefined, seen.extraArgs.length];
      const target = [seen.target.service, seen.target.handler, seen.target.key ?? null, String(seen.target)];
      return [seen.id.slice(0, 5), mine, attempt, kind, text, ...more, target, body];
    },
    surroundings: async (ctx) => {
      ctx.console.info("once an attempt", ctx.request().id);
      await ctx.run("hooked", () => 1);
      return [hooked.includes("handler"), hooked.includes("run hooked")];
    },
  };
  const retryPolicy = { initialInterval: 10, maxAttempts: 6, onMaxAttempts: "kill" };
  return [peers.service("Steps", handlers, { inactivityTimeout: 5000, retryPolicy, hooks })];
}
