"""HTTP/2 client of the invoker: duplex streams to user services at a few microseconds of CPU each.

In the order a request goes through them:

- `pool`: one pool a deployment authority; hands out streams.
- `waiting`: requests for which no connection has room yet.
- `connection`: one socket: joined writes, keep-alive, idle close.
- `stream`: what the owner of one request holds and implements.
- `sender`: our half: streams opened, reset, ended.
- `outflow`: frames and bodies about to be written, within the peer's windows.
- `receiver`: the peer's half: frames in, callbacks and faults out.
- `control`: SETTINGS, WINDOW_UPDATE, PING, GOAWAY, RST_STREAM.
- `message`: header maps, rules for field blocks.
- `request`: origin and request head, encoded once.
- `hpack`: header blocks to bytes and back, both cached.
- `settings`: limits of ours, and reading the peer's SETTINGS.
- `frames`: frame layout, numbers, error codes.
- `errors`: what a stream's owner is told, and internal faults.
"""
