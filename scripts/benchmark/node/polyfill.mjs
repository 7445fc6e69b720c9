// Node 20 has no Promise.withResolvers, which the SDK uses. Imported before the SDK.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new this((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
};
