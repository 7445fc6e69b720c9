// What handlers know of one another: services by name in one mode, and how often something was tried.
import * as restate from "@restatedev/restate-sdk";

// `Box` of mode b7 is registered as b7TsBox.
export class Peers {
  constructor(mode) {
    this.mode = mode;
    this.tried = new Map();
  }

  nameOf(service) {
    return `${this.mode}Ts${service}`;
  }

  // What the SDK's clients take.
  peer(service) {
    return { name: this.nameOf(service) };
  }

  service(name, handlers, options = {}, more = {}) {
    return restate.service({ name: this.nameOf(name), handlers, options, ...more });
  }

  object(name, handlers, options = {}) {
    return restate.object({ name: this.nameOf(name), handlers, options });
  }

  workflow(name, handlers, options = {}) {
    return restate.workflow({ name: this.nameOf(name), handlers, options });
  }

  // How often this was asked for the invocation at hand, this time included.
  attempts(ctx, step = "") {
    const key = `${ctx.request().id} ${step}`;
    this.tried.set(key, (this.tried.get(key) ?? 0) + 1);
    return this.tried.get(key);
  }
}

// For what is to fail soon.
export const few = { initialInterval: 10, maxAttempts: 3, onMaxAttempts: "kill" };

// What became of a promise: its value, or [code, message].
export async function outcome(promise) {
  try {
    return await promise;
  } catch (error) {
    if (!(error instanceof restate.TerminalError)) throw error;
    return [error.code, error.message];
  }
}
