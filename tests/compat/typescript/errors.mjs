// Failures: terminal, retried, exhausted, and what the SDK makes of bad input.
import * as restate from "@restatedev/restate-sdk";

const { TerminalError } = restate;

class Odd extends Error {}

export function errorServices(peers) {
  // Another journal at the replay than at the first attempt.
  const other_at_replay = async (ctx) => {
    if (peers.attempts(ctx) === 1) {
      await ctx.run("first", () => 1);
      throw new Error("again");
    }
    await ctx.sleep(1);
    return "other";
  };
  const handlers = {
    terminal: async (ctx, code) => {
      throw new TerminalError("as asked", { errorCode: code });
    },
    without_code: async () => {
      throw new TerminalError("");
    },
    with_metadata: async () => {
      throw new TerminalError("told apart", { errorCode: 409, metadata: { b: "2", a: "1" } });
    },
    after_a_step: async (ctx) => {
      await ctx.run("before", () => 1);
      throw new TerminalError("after a step", { errorCode: 410 });
    },
    always: async (ctx) => {
      await ctx.run("before", () => 1);
      throw new Error("always");
    },
    always_and_at_once: async () => {
      throw new Error("at once");
    },
    twice: async (ctx) => {
      if (peers.attempts(ctx) < 3) throw new Error("not yet");
      return "at the third";
    },
    later: async (ctx) => {
      if (peers.attempts(ctx) < 2) throw new restate.RetryableError("in a moment", { retryAfter: 15, errorCode: 503 });
      return "then";
    },
    odd: async () => {
      throw new Odd("odd");
    },
    number: async (ctx, value) => value + 1,
    other_at_replay,
    other_name_at_replay: async (ctx) => {
      const tried = peers.attempts(ctx);
      await ctx.run(`run ${tried}`, () => 1);
      if (tried === 1) throw new Error("again");
      return "other";
    },
    forgets_a_call: async (ctx) => {
      if (peers.attempts(ctx) === 1) {
        await ctx.serviceClient(peers.peer("Callee")).echo(1);
        throw new Error("again");
      }
      return "short";
    },
  };
  const pausing = {
    unrepaired: async (ctx) => {
      await ctx.run("before", () => 1);
      if (peers.attempts(ctx) <= 2) throw new Error("not repaired");
      return "repaired";
    },
    asks_for_it: async (ctx) => {
      if (peers.attempts(ctx) === 1) throw new restate.PauseError("pause me");
      return "resumed";
    },
  };
  const asTerminalError = (error) => (error instanceof Odd ? new TerminalError("no more odd", { errorCode: 418 }) : undefined);
  const policy = (maxAttempts, onMaxAttempts) => ({
    initialInterval: 10,
    exponentiationFactor: 1.5,
    maxInterval: 20,
    maxAttempts,
    onMaxAttempts,
  });
  const options = { inactivityTimeout: 5000, asTerminalError, retryPolicy: policy(3, "kill") };
  const mismatch = (onJournalMismatchErrors) => ({ ...options, onJournalMismatchErrors });
  return [
    peers.service("Errors", handlers, options),
    peers.service("Pausing", pausing, { ...options, retryPolicy: policy(2, "pause") }),
    peers.service("MismatchFails", { other_at_replay }, mismatch("fail")),
    peers.service("MismatchPauses", { other_at_replay }, mismatch("pause")),
  ];
}
