// The official TypeScript client of the ingress: what `test_http_clients.py` asserts is printed as one JSON object.
// Run: node typescript_clients.mjs INGRESS KEY
import * as clients from "@restatedev/restate-sdk-clients";

const [, , url, key] = process.argv;
const ingress = clients.connect({ url });
const [Box, Tour, Gate] = [{ name: "Box" }, { name: "Tour" }, { name: "Gate" }];
const { opts, sendOpts } = clients.rpc;
const told = {};

async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return [error.status, JSON.parse(error.responseText).source];
  }
  return null;
}

async function awakeable() {
  const sent = await ingress.serviceSendClient(Tour).awaits_outside(key, sendOpts({ idempotencyKey: `${key}-${Math.random()}` }));
  const box = ingress.objectClient(Box, key);
  for (;;) {
    const id = await box.look("awakeable");
    if (id && id !== told.last) {
      told.last = id;
      return [sent, id];
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

told.called = await ingress.objectClient(Box, key).put(["x", 1]);
told.looked = await ingress.objectClient(Box, key).look("x");
const once = opts({ idempotencyKey: `${key}-once` });
told.once = [
  await ingress.objectClient(Box, key).slow_append("a", once),
  await ingress.objectClient(Box, key).slow_append("a", once),
];
const sent = await ingress.objectSendClient(Box, key).put(["y", 2], sendOpts({ idempotencyKey: `${key}-sent` }));
told.sent = [sent.status, sent.attachable, await ingress.result(sent)];
const delayed = await ingress.serviceSendClient(Tour).fails(418, sendOpts({ delay: { hours: 1 } }));
told.delayed = delayed.status;
told.generic = await ingress.call({ service: "Box", handler: "look", key, parameter: "y", opts: opts({ input: clients.serde?.json, output: clients.serde?.json }) });
told.scoped = await ingress.scope("s").serviceClient(Tour).flaky(`${key}-scoped`, opts({ limitKey: "a/b" }));
const gate = ingress.workflowClient(Gate, key);
told.submitted = (await gate.workflowSubmit("word")).status;
told.early = (await gate.workflowOutput()).ready;
await gate.open_gate("me");
told.attached = await gate.workflowAttach();
told.late = (await gate.workflowOutput()).result;
told.again = (await gate.workflowSubmit("word")).status;
const [resolved, first] = await awakeable();
await ingress.resolveAwakeable(first, { deep: [1] });
told.resolved = await ingress.result(resolved);
const [rejected, second] = await awakeable();
await ingress.rejectAwakeable(second, "no");
told.rejected = await failure(ingress.result(rejected));
told.failed = await failure(ingress.serviceClient(Tour).fails(418));
told.unknown = await failure(ingress.serviceClient({ name: "Nope" }).nope());
told.bad = await failure(ingress.resolveAwakeable("bad", 1));
delete told.last;
console.log(JSON.stringify(told));
