// What node-postgres gets, as one line of JSON. Argument: the port.
import pg from "pg";
import Cursor from "pg-cursor";

const settings = { host: "127.0.0.1", port: Number(process.argv[2]), user: "everlog", database: "everlog" };
const answers = {};

const client = new pg.Client(settings);
const notices = [];
client.on("notice", (notice) => notices.push(notice.code));
await client.connect();

answers.rows = (await client.query("SELECT 1 AS one, 'x' AS text, true AS yes, NULL AS nothing")).rows;
answers.found = (await client.query("SELECT id FROM sys_invocation WHERE status = $1 AND retry_count >= $2", ["running", 1])).rows.length;
answers.any = (await client.query("SELECT count(*) AS n FROM state WHERE key = ANY($1)", [["raw", "count"]])).rows[0].n;
const created = (await client.query("SELECT created_at FROM sys_invocation WHERE created_at > $1 LIMIT 1", [new Date(0)])).rows[0];
answers.date = created.created_at instanceof Date;
answers.bytes = (await client.query("SELECT value FROM state WHERE key = $1", ["raw"])).rows[0].value.toString("hex");
answers.list = (
  await client.query(
    "SELECT suspended_waiting_for_completions AS list FROM sys_invocation_status WHERE suspended_waiting_for_completions IS NOT NULL",
  )
).rows[0].list;

const prepared = { name: "a statement", text: "SELECT $1::bigint + 1 AS n" };
answers.prepared = [];
for (const value of [1, 41]) answers.prepared.push((await client.query({ ...prepared, values: [value] })).rows[0].n);

answers.several = (await client.query("SELECT 1; SELECT 2 AS two")).map((result) => result.rowCount);
try {
  await client.query("SELECT nope FROM state");
} catch (error) {
  answers.error = [error.code, error.position];
}
await client.query("COMMIT");
answers.notices = notices;

const cursor = client.query(new Cursor("SELECT x FROM generate_series(1, 20) t(x) WHERE x <= $1", [10]));
answers.cursor = [];
for (let rows = await cursor.read(4); rows.length > 0; rows = await cursor.read(4)) answers.cursor.push(rows.length);
await cursor.close();
answers.after = (await client.query("SELECT 1 AS one")).rows[0].one;
await client.end();

const pool = new pg.Pool({ ...settings, max: 4 });
const asked = Array.from({ length: 20 }, (_, i) => pool.query("SELECT $1::bigint AS n", [i]));
answers.pool = (await Promise.all(asked)).map((result) => Number(result.rows[0].n)).reduce((a, b) => a + b, 0);
await pool.end();

console.log(JSON.stringify(answers));
