-- The questions that both runtimes get, see `queries.py`: tables, what the official CLI and the web console ask,
-- values of each type, and what is wrong. `{busy}` is the invocation that the case of this name in `scene.py` began.

--- plain

-- every table's columns
-- : ordered
SELECT table_name, column_name, ordinal_position, data_type, is_nullable FROM information_schema.columns WHERE
    table_catalog = 'restate' AND table_schema = 'public' AND table_name IN ('sys_invocation',
    'sys_invocation_status', 'sys_invocation_state', 'sys_journal', 'sys_journal_events', 'sys_inbox',
    'sys_keyed_service_status', 'sys_locks', 'sys_promise', 'state', 'sys_service', 'sys_deployment',
    'sys_rules', 'sys_user_limits', 'sys_vqueues', 'sys_vqueue_meta', 'sys_vqueue_entry_status',
    'sys_scheduler') ORDER BY table_name, ordinal_position

-- sys_invocation
-- : ignored suspended_waiting_for_signals
SELECT * FROM sys_invocation

-- sys_invocation_status
-- : ignored suspended_waiting_for_signals
SELECT * FROM sys_invocation_status

-- sys_invocation_state
SELECT * FROM sys_invocation_state

-- sys_journal
-- : ignored index raw_length
SELECT * FROM sys_journal

-- sys_journal_events
SELECT * FROM sys_journal_events WHERE event_type <> 'Suspended'

-- sys_inbox
SELECT * FROM sys_inbox

-- sys_keyed_service_status
SELECT * FROM sys_keyed_service_status

-- sys_promise
SELECT *, partition_key AS place FROM sys_promise

-- state
SELECT *, partition_key AS place FROM state

-- sys_service
SELECT * FROM sys_service

-- sys_deployment
-- : ignored services
SELECT * FROM sys_deployment

-- sys_rules
SELECT * FROM sys_rules

-- sys_user_limits
SELECT * FROM sys_user_limits

-- sys_locks
-- : differs we show locks there too, the oracle with virtual queues only
SELECT * FROM sys_locks

-- sys_vqueues
-- : differs we show invocations there without virtual queues
SELECT * FROM sys_vqueues

-- sys_vqueue_meta
-- : differs likewise
SELECT * FROM sys_vqueue_meta

-- sys_vqueue_entry_status
-- : differs likewise
SELECT * FROM sys_vqueue_entry_status

-- sys_scheduler
-- : differs likewise
SELECT * FROM sys_scheduler

-- places of an object's rows
SELECT partition_key AS place, service_key, key FROM state WHERE service_name = 'b7PyBox'

-- cli: invocations to cancel
SELECT id, target FROM sys_invocation_status WHERE target LIKE 'b7PyLife/%'

-- cli: active of a deployment
SELECT COUNT(1) AS inv_count FROM sys_invocation_status WHERE pinned_deployment_id = 'dp_none' AND status !=
    'completed'

-- cli: active of a deployment by handler
SELECT target_service_name AS service, target_handler_name AS handler, COUNT(1) AS inv_count FROM
    sys_invocation_status WHERE pinned_deployment_id IS NOT NULL AND status != 'completed' GROUP BY
    pinned_deployment_id, target_service_name, target_handler_name

-- cli: pending of services
SELECT target_service_name, target_handler_name, 'pending' AS status, COUNT(1) AS num_invocations,
    MIN(created_at) AS oldest_at, FIRST_VALUE(id ORDER BY created_at ASC) AS oldest_invocation FROM
    sys_invocation_status WHERE status == 'inboxed' AND target_service_name IN ('b7PyLock','b7PyLife') GROUP BY
    target_service_name, target_handler_name

-- cli: statuses of services
SELECT target_service_name, target_handler_name, status, COUNT(1) AS num_invocations, MIN(created_at) AS
    oldest_at, FIRST_VALUE(id ORDER BY created_at ASC) AS oldest_invocation FROM sys_invocation WHERE
    target_service_name IN ('b7PyLife','b7PyLock','b7PyBox') GROUP BY target_service_name, target_handler_name,
    status ORDER BY target_handler_name

-- cli: waiting at keys
SELECT service_name, service_key, COUNT(1) AS num_pending FROM sys_inbox WHERE service_name IN ('b7PyLock')
    GROUP BY service_name, service_key ORDER BY num_pending DESC

-- cli: holders of locks
SELECT target_service_name AS service_name, target_service_key AS service_key, status AS invocation_status,
    first_value(id) AS invocation_holding_lock, first_value(target_handler_name) AS
    invocation_method_holding_lock, first_value(created_at) AS invocation_created_at, first_value(modified_at)
    AS modified_at, first_value(pinned_deployment_id) AS pinned_deployment_id,
    first_value(last_attempt_deployment_id) AS last_attempt_deployment_id, first_value(last_failure) AS
    last_failure_message, first_value(next_retry_at) AS next_retry_at, first_value(last_start_at) AS
    last_start_at, 0 AS num_pending, sum(retry_count) AS num_retries FROM sys_invocation WHERE status !=
    'pending' AND target_service_name IN ('b7PyLock') GROUP BY target_service_name, target_service_key, status

-- cli: ids of invocations
SELECT id FROM sys_invocation inv WHERE inv.status NOT IN ('completed') ORDER BY inv.created_at DESC, inv.id
    LIMIT 100

-- cli: a lower bound of a count
SELECT COUNT(1) FROM (SELECT * FROM sys_invocation inv LIMIT 50000) inv WHERE inv.target_service_name =
    'b7PyLife'

-- cli: invocations by id
SELECT inv.id, inv.target, inv.target_service_ty, inv.idempotency_key, inv.status, inv.created_at,
    inv.modified_at AS state_modified_at, inv.pinned_deployment_id, inv.retry_count AS num_retries,
    inv.last_failure AS last_failure_message, inv.last_failure_related_entry_index AS last_failure_entry_index,
    inv.last_failure_related_entry_name AS last_failure_entry_name, inv.last_failure_related_entry_type AS
    last_failure_entry_ty, inv.last_attempt_deployment_id, inv.last_attempt_server, inv.next_retry_at,
    inv.last_start_at, inv.invoked_by_id, inv.invoked_by_target, inv.trace_id, inv.completion_result,
    inv.completion_failure, dp.id IS NOT NULL AS pinned_deployment_exists FROM sys_invocation inv LEFT JOIN
    sys_deployment dp ON dp.id = inv.pinned_deployment_id WHERE inv.id IN
    ('{busy}','{failing}','{paused}','{suspended}','{scheduled}','{lock.first}','{killed}','{cancelled}') ORDER
    BY inv.created_at DESC, inv.id

-- cli: one invocation
SELECT inv.id, inv.target, inv.target_service_ty, inv.idempotency_key, inv.status, inv.created_at,
    inv.modified_at AS state_modified_at, inv.pinned_deployment_id, inv.retry_count AS num_retries,
    inv.last_failure AS last_failure_message, inv.last_failure_related_entry_index AS last_failure_entry_index,
    inv.last_failure_related_entry_name AS last_failure_entry_name, inv.last_failure_related_entry_type AS
    last_failure_entry_ty, inv.last_attempt_deployment_id, inv.last_attempt_server, inv.next_retry_at,
    inv.last_start_at, inv.invoked_by_id, inv.invoked_by_target, inv.trace_id, inv.completion_result,
    inv.completion_failure FROM sys_invocation inv WHERE inv.id = '{failing}' LIMIT 1

-- cli: invocations of older servers
WITH invocations AS (SELECT inv.id, inv.target, inv.target_service_ty, inv.idempotency_key, inv.status,
    inv.created_at, inv.modified_at AS state_modified_at, inv.pinned_deployment_id, inv.retry_count AS
    num_retries, inv.last_failure AS last_failure_message, inv.last_failure_related_entry_index AS
    last_failure_entry_index, inv.last_failure_related_entry_name AS last_failure_entry_name,
    inv.last_failure_related_entry_type AS last_failure_entry_ty, inv.last_attempt_deployment_id,
    inv.last_attempt_server, inv.next_retry_at, inv.last_start_at, inv.invoked_by_id, inv.invoked_by_target,
    inv.trace_id, inv.completion_result, inv.completion_failure FROM sys_invocation inv WHERE inv.status =
    'paused' ORDER BY inv.created_at LIMIT 10) SELECT inv.*, dp.id IS NOT NULL AS pinned_deployment_exists FROM
    sys_deployment dp RIGHT JOIN invocations inv ON dp.id = inv.pinned_deployment_id ORDER BY inv.created_at

-- cli: only objects
SELECT inv.target FROM sys_invocation inv WHERE inv.target_service_name IN (SELECT name FROM sys_service WHERE
    ty = 'virtual_object')

-- cli: zombies
SELECT inv.id FROM sys_invocation inv WHERE (inv.pinned_deployment_id IS NOT NULL AND inv.pinned_deployment_id
    NOT IN (SELECT id FROM sys_deployment))

-- cli: of deployments
SELECT inv.target FROM sys_invocation inv WHERE (inv.pinned_deployment_id IN ('dp_none') OR
    inv.last_attempt_deployment_id IN ('dp_none'))

-- cli: failed ones
SELECT inv.target, inv.completion_failure FROM sys_invocation inv WHERE inv.status IN ('completed') AND
    inv.completion_result = 'failure'

-- cli: has a column
SELECT COUNT(*) FROM information_schema.columns WHERE table_name = 'sys_journal' AND column_name IN ('version',
    'entry_json', 'appended_at')

-- cli: a journal
-- : ordered
SELECT sj.index, sj.entry_type, sj.completed, sj.invoked_id, sj.invoked_target, sj.sleep_wakeup_at, sj.name,
    sj.promise_name, sj.version, sj.entry_json, sj.appended_at FROM sys_journal sj WHERE sj.id = '{naps}' ORDER
    BY index DESC LIMIT 100

-- cli: casts for older servers
-- : kinds
SELECT CAST(1 AS INT UNSIGNED) AS version, CAST(NULL AS STRING) AS entry_json, CAST(NULL AS TIMESTAMP) AS
    appended_at

-- cli: state of a service
SELECT service_name, service_key, key, value FROM state WHERE service_name = 'b7PyBox'

-- cli: state of a key
SELECT service_name, service_key, key, value FROM state WHERE service_name = 'b7PyBox' AND service_key = 'full'

-- cli: state to edit
select key, value from state where service_name = 'b7PyBox' and service_key = 'full' ;

-- cli: rules
SELECT pattern, concurrency, description, disabled, version, last_modified FROM sys_rules ORDER BY pattern

-- cli: a rule
SELECT pattern, concurrency, description, disabled, version, last_modified FROM sys_rules WHERE pattern = 'none'

-- docs: deployments in use
WITH active_deployments AS (SELECT DISTINCT deployment_id AS id FROM sys_service WHERE deployment_id IS NOT NULL
    UNION SELECT DISTINCT pinned_deployment_id AS id FROM sys_invocation_status WHERE pinned_deployment_id IS
    NOT NULL) SELECT d.id AS deployment_id, a.id IS NOT NULL AS active FROM sys_deployment d LEFT JOIN
    active_deployments a ON d.id = a.id;

-- console: health
SELECT 1 FROM sys_invocation_status LIMIT 1

-- console: by status
-- : kinds
SELECT ss.target_service_name AS service_name, CASE WHEN ss.status = 'inboxed' THEN 'pending' WHEN ss.status =
    'invoked' AND sis.in_flight IS TRUE THEN 'running' WHEN ss.status = 'invoked' AND sis.retry_count > 0 THEN
    'backing-off' WHEN ss.status = 'invoked' THEN 'ready' WHEN ss.status = 'completed' AND ss.completion_result
    = 'success' THEN 'succeeded' WHEN ss.status = 'completed' THEN 'failed' ELSE ss.status END AS bucket,
    COUNT(1) AS count FROM sys_invocation_status ss LEFT JOIN sys_invocation_state sis ON sis.id = ss.id GROUP
    BY ss.target_service_name, CASE WHEN ss.status = 'inboxed' THEN 'pending' WHEN ss.status = 'invoked' AND
    sis.in_flight IS TRUE THEN 'running' WHEN ss.status = 'invoked' AND sis.retry_count > 0 THEN 'backing-off'
    WHEN ss.status = 'invoked' THEN 'ready' WHEN ss.status = 'completed' AND ss.completion_result = 'success'
    THEN 'succeeded' WHEN ss.status = 'completed' THEN 'failed' ELSE ss.status END

-- console: counts of statuses
SELECT SUM(CASE WHEN status = 'inboxed' THEN 1 ELSE 0 END) AS inboxed, SUM(CASE WHEN status = 'scheduled' THEN 1
    ELSE 0 END) AS scheduled, SUM(CASE WHEN status = 'invoked' THEN 1 ELSE 0 END) AS invoked FROM
    sys_invocation_status

-- console: counts of attempts
SELECT SUM(CASE WHEN in_flight THEN 1 ELSE 0 END) AS running, SUM(CASE WHEN in_flight IS NOT TRUE AND
    retry_count > 0 THEN 1 ELSE 0 END) AS backing_off FROM sys_invocation_state

-- console: those that back off
SELECT last_failure FROM sys_invocation_state WHERE in_flight IS NOT TRUE LIMIT 500

-- console: candidates
SELECT ss.id AS id FROM sys_invocation_status ss LEFT JOIN (SELECT id AS state_id, in_flight, retry_count FROM
    sys_invocation_state) sis ON sis.state_id = ss.id WHERE ss.status IN ('invoked') AND (sis.in_flight IS TRUE
    OR sis.retry_count > 0) ORDER BY ss.created_at ASC NULLS LAST LIMIT 1000

-- console: the history of a day
-- : ignored buckets
SELECT count(*) AS buckets, sum(succeeded) AS succeeded, sum(failed) AS failed FROM (SELECT
    to_unixtime(date_bin(INTERVAL '86400 seconds', completed_at, TIMESTAMP '1970-01-01T00:00:00')) AS bucket,
    COUNT(1) FILTER (WHERE completion_result = 'success') AS succeeded, COUNT(1) FILTER (WHERE completion_result
    = 'failure') AS failed FROM sys_invocation_status WHERE status = 'completed' AND completed_at >=
    '2020-01-01T00:00:00Z' AND completed_at < '2100-01-01T00:00:00.000Z' GROUP BY bucket)

-- console: outcomes
SELECT CASE WHEN completion_result = 'success' THEN 'succeeded' ELSE 'failed' END AS status, COUNT(1) AS count
    FROM sys_invocation_status WHERE status = 'completed' AND completed_at >= '2020-01-01T00:00:00Z' GROUP BY
    CASE WHEN completion_result = 'success' THEN 'succeeded' ELSE 'failed' END

-- console: outcomes of a sample
SELECT completion_result AS status, COUNT(1) AS count FROM (SELECT completion_result FROM sys_invocation_status
    WHERE status = 'completed' LIMIT 50000) c GROUP BY completion_result

-- console: duration
-- : kinds
-- : ignored duration
SELECT target, CASE WHEN status = 'scheduled' THEN NULL ELSE COALESCE(completed_at, now()) -
    COALESCE(scheduled_start_at, created_at) END AS duration FROM sys_invocation

-- console: one journal
-- : ordered
SELECT id, index, appended_at, entry_type, name, raw_length, entry_lite_json, version, completed,
    sleep_wakeup_at, invoked_id, invoked_target, promise_name FROM sys_journal WHERE id = '{calls}' ORDER BY
    index

-- console: one entry
SELECT entry_type, entry_json, raw_length FROM sys_journal WHERE id = '{steps}' AND index = 1

-- console: one entry's metadata
SELECT id, index, appended_at, entry_type, name, entry_lite_json, version FROM sys_journal WHERE id = '{steps}'
    AND index = 0

-- console: an entry that is none
SELECT entry_type FROM sys_journal WHERE id = '{steps}' AND index = 999

-- console: last failure
SELECT id, appended_at, event_type, event_json FROM sys_journal_events WHERE id = '{failing}' AND event_type =
    'TransientError' ORDER BY appended_at DESC LIMIT 1

-- console: why it is paused
SELECT id, appended_at, event_type, event_json FROM sys_journal_events WHERE id = '{paused}' AND event_type =
    'Paused' ORDER BY appended_at DESC LIMIT 1

-- console: events
SELECT after_journal_entry_index, appended_at, event_type, event_json from sys_journal_events WHERE id =
    '{failing}' ORDER BY appended_at

-- console: statuses of several
SELECT id, status, completion_result, completion_failure, pinned_deployment_id, last_attempt_deployment_id,
    target_service_name, target_service_key, target_handler_name FROM sys_invocation WHERE id IN ('{busy}',
    '{failing}', '{flow}')

-- console: length of an inbox
SELECT COUNT(*) AS size FROM sys_inbox WHERE service_key = 'locked' AND service_name = 'b7PyLock'

-- console: place in an inbox
SELECT COUNT(*) AS position FROM sys_inbox WHERE service_key = 'locked' AND service_name = 'b7PyLock' AND
    sequence_number < (SELECT sequence_number FROM sys_inbox WHERE id = '{lock.second}')

-- console: who has an object
SELECT id, status FROM sys_invocation WHERE target_service_key = 'locked' AND target_service_name = 'b7PyLock'
    AND status NOT IN ('completed', 'pending', 'scheduled') AND target_handler_name IN ('holds', 'takes')

-- console: who has its lock
SELECT invocation_id FROM sys_keyed_service_status WHERE service_name = 'b7PyLock' AND service_key = 'locked'
    AND invocation_id IS NOT NULL LIMIT 1

-- console: state with a limit of size
SELECT service_key, key, value_length, value FROM state WHERE service_name = 'b7PyBox' AND service_key IN
    ('full', 'none') AND value_length <= 2048 LIMIT 1500

-- console: a page of state
-- : ordered
SELECT key, value_length, CASE WHEN value_length <= 65536 THEN value END AS value FROM state WHERE service_name
    = 'b7PyBox' AND service_key = 'full' AND key > 'b' ORDER BY key LIMIT 101

-- console: size of state
-- : ordered
SELECT service_name, COALESCE(SUM(value_length), 0) AS size FROM state GROUP BY service_name ORDER BY
    service_name

-- console: keys of state
SELECT DISTINCT key FROM state WHERE service_name = 'b7PyBox' AND service_key IN ('full') GROUP BY key

-- console: services with state
-- : ordered
SELECT DISTINCT service_name FROM state ORDER BY service_name

-- console: drained deployments
WITH active_deployments AS (SELECT DISTINCT deployment_id AS id FROM sys_service WHERE deployment_id IS NOT NULL
    UNION SELECT DISTINCT pinned_deployment_id AS id FROM sys_invocation_status WHERE pinned_deployment_id IS
    NOT NULL AND status != 'completed') SELECT d.id AS id FROM sys_deployment d EXCEPT SELECT id FROM
    active_deployments

-- console: objects
SELECT DISTINCT target_service_key AS object_key FROM sys_invocation_status WHERE target_service_name =
    'b7PyLock' AND target_service_ty = 'virtual_object' AND status <> 'completed' LIMIT 101

-- console: backlogs
-- : ordered
SELECT service_key AS object_key, COUNT(*) AS backlog FROM sys_inbox WHERE service_name = 'b7PyLock' GROUP BY
    service_key ORDER BY backlog DESC, object_key ASC LIMIT 101

-- users: by any column
-- : ordered
SELECT status, count(*) AS n FROM sys_invocation GROUP BY status ORDER BY status

-- users: qualified names
SELECT count(*) FROM restate.public.sys_invocation WHERE status = 'suspended'

-- users: an array has
SELECT target FROM sys_invocation WHERE array_has(suspended_waiting_for_completions, 1)

-- users: unnest
-- : ordered
SELECT unnest(services) AS service FROM sys_deployment ORDER BY service LIMIT 5

-- users: children
SELECT c.target, p.target AS parent FROM sys_invocation c JOIN sys_invocation p ON c.invoked_by_id = p.id WHERE
    p.target_service_name = 'b7PyCalls'

-- users: restarted ones
SELECT target, invoked_by, restarted_from FROM sys_invocation WHERE restarted_from IS NOT NULL

-- users: by idempotency key
SELECT target, status, completion_retention FROM sys_invocation WHERE idempotency_key = 'one'

-- users: by trace
SELECT target FROM sys_invocation WHERE trace_id = '0af7651916cd43dd8448eb211c80319c'

-- users: what waits
SELECT target, suspended_waiting_future_json FROM sys_invocation WHERE status = 'suspended'

-- users: failures by code
-- : kinds
-- : ordered
SELECT substr(completion_failure, 1, 5) AS code, count(*) AS n FROM sys_invocation WHERE completion_result =
    'failure' GROUP BY 1 ORDER BY 1

-- users: promises
SELECT key, completed, completion_success_value_utf8, completion_failure FROM sys_promise WHERE service_name =
    'b7PyFlow' AND service_key IN ('open', 'promises', 'done')

-- users: like and regexp
SELECT target FROM sys_invocation WHERE target LIKE '%/fails' OR target ~ 'holds$'

-- users: a window
SELECT target_service_name AS s, row_number() OVER (PARTITION BY target_service_name ORDER BY id) AS r FROM
    sys_invocation_status WHERE target_service_name = 'b7PyBox'

-- users: a range of partition keys
SELECT count(*) AS n FROM sys_invocation_status WHERE partition_key >= 0 AND partition_key <=
    18446744073709551615 AND status = 'paused'

-- users: journal sizes
SELECT target, journal_size, journal_commands_size FROM sys_invocation WHERE journal_size > 3

-- users: no rows
SELECT * FROM state WHERE false

-- users: explain
-- : ignored plan
-- : differs plans name their tables' ways to scan
EXPLAIN SELECT 1

-- users: show tables
-- : differs our own tables are listed too
SHOW TABLES

-- users: describe
DESCRIBE sys_inbox

-- wrong: no SQL
selec

-- wrong: nothing


-- wrong: no such column
-- : status 400
SELECT nope FROM state

-- wrong: no such table
-- : status 400
SELECT * FROM nope

-- wrong: no such type
-- : status 400
SELECT 'a'::json

-- wrong: no such function
-- : status 400
SELECT nope(1)

-- wrong: two columns of a name
SELECT count(*), count(*) FROM state

-- wrong: two statements
-- : status 400
SELECT 1; SELECT 2

-- wrong: an open string
SELECT 'a

-- wrong: not grouped
-- : status 400
SELECT key, count(*) FROM state

-- wrong: a type that cannot be compared
-- : status 400
SELECT * FROM state WHERE value_length = true

-- wrong: a cast at run time
SELECT arrow_cast('x', 'Int64')

-- wrong: a division by zero
SELECT 1 / 0

-- wrong: a table of older servers
-- : status 400
SELECT * FROM sys_idempotency

-- wrong: CREATE TABLE
CREATE TABLE x (a INT)

-- wrong: INSERT
INSERT INTO state VALUES (1)

-- wrong: DROP
DROP TABLE state

-- wrong: DELETE
DELETE FROM state

-- wrong: UPDATE
UPDATE state SET key = 'a'

-- wrong: COPY
COPY state TO '/tmp/x.csv'

--- values

arrow_cast('2020-01-01 10:11:12.5','Timestamp(Millisecond,Some("+00:00"))')
arrow_cast('2020-01-01','Timestamp(Millisecond,Some("+00:00"))')
arrow_cast('2020-01-01','Timestamp(Second,Some("+02:00"))')
arrow_cast('1969-12-31 23:59:59.123456789','Timestamp(Nanosecond,None)')
arrow_cast('2020-02-29 00:00:00.000001','Timestamp(Microsecond,None)')
arrow_cast('2020-02-29','Date32')
arrow_cast(86400000,'Duration(Millisecond)')
arrow_cast(-10123,'Duration(Millisecond)')
arrow_cast(0,'Duration(Millisecond)')
arrow_cast(90061001,'Duration(Millisecond)')
arrow_cast(arrow_cast(12000000,'Int64'),'Time64(Microsecond)')
interval '1 year 2 month 3 day 4.5 second'
interval '1 day'
interval '0 day'
arrow_cast('NaN','Float64')
1.5
1e30
100.0
cast(1.5 as decimal(10,3))
18446744073709551615
arrow_cast('x','Binary')
arrow_cast('abc','Dictionary(Int32,Utf8)')
make_array(null,1)
make_array('x', null)
make_array(make_array(1))
make_array(arrow_cast(1000,'Duration(Second)'))
map(['a'],[1])
named_struct('x', 1, 'y', null)
true
''
null
'ünï " \ quoted'
json_get_str('{"a":"x"}', 'a')
json_get_int('{"a":[1,2]}', 'a', 1)
json_get_float('{"a":1}', 'a')
json_get_bool('{"a":true}', 'a')
json_get_json('{"a":{"b":[1,null]}}', 'a')
json_get_array('{"a":["x",2]}', 'a')
json_as_text('{"a":{"b":1}}', 'a')
json_as_text('{"a":"b"}', 'a')
json_as_text('{"a":null}', 'a')
json_length('{"a":1,"b":2}')
json_length('[1,2,3]')
json_contains('{"a":null}', 'a')
json_contains('{"a":null}', 'b')
json_object_keys('{"a":1,"b":2}')
'{"a":{"b":"c"}}' -> 'a' ->> 'b'
json_get_int('no json', 'a')

--- scoped

-- scoped: rules
-- : ordered
SELECT * FROM sys_rules ORDER BY pattern

-- scoped: counters
SELECT * FROM sys_user_limits

-- scoped: invocations
SELECT target, scope, limit_key, status FROM sys_invocation WHERE scope = 'tenant'

-- scoped: stages
SELECT v.stage, v.status, v.has_lock, v.entry_kind, s.target FROM sys_vqueues v JOIN sys_invocation_status s ON
    s.id = v.entry_id WHERE s.scope = 'tenant'

-- scoped: entries
SELECT stage, status, entry_kind FROM sys_vqueue_entry_status WHERE entry_id IN ('{tenant.holds}', '{tenant.waits}')

-- scoped: queues
SELECT service_name, scope, limit_key, num_inbox, num_running, num_finished, is_active, queue_is_paused FROM
    sys_vqueue_meta WHERE scope = 'tenant'

-- scoped: cli: a queue
-- : ignored deployment
SELECT entry_id, entry_kind, stage, status, has_lock, created_at, num_attempts, deployment FROM sys_vqueues WHERE id IN
    (SELECT vqueue_id FROM sys_invocation_status WHERE id = '{tenant.holds}')

-- scoped: console: an invocation's queue
SELECT m.service_name, m.lock_name, m.num_running, s.status FROM sys_invocation s JOIN sys_vqueue_meta m ON m.id =
    s.vqueue_id WHERE s.id IN ('{tenant.holds}', '{tenant.waits}')

-- scoped: console: counters of rules
SELECT rule_pattern, COUNT(*) AS num_counters, SUM(CASE WHEN num_waiters > 0 THEN 1 ELSE 0 END) AS
    num_counters_with_waiters FROM sys_user_limits WHERE rule_pattern IN ('tenant') GROUP BY rule_pattern

-- scoped: console: counters
SELECT scope, l1, l2, level, usage, concurrency_limit, rule_pattern, available, num_waiters FROM sys_user_limits ORDER BY
    num_waiters DESC, scope, l1 NULLS FIRST LIMIT 101

-- scoped: console: what a queue waits for
-- : ignored blocked_on_json
SELECT num_inbox, status, head_entry_id, blocked_on, blocked_on_json FROM sys_scheduler WHERE id IN (SELECT vqueue_id FROM
    sys_invocation_status WHERE id = '{tenant.waits}')

-- scoped: console: counts of an entry
SELECT stage, status, num_attempts, num_errors, num_pauses, num_suspensions, num_yields FROM sys_vqueue_entry_status WHERE
    entry_id IN ('{tenant.ends}', '{tenant.fails}', '{tenant.holds}', '{tenant.waits}')
