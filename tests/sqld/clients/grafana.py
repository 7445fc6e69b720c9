"""What Grafana's data source asks, and what its macros become. See `asked`."""

from __future__ import annotations

from tests.sqld.clients.asked import Asked

__all__ = ["GRAFANA"]

_PATH = """quote_ident(table_schema) IN (
    SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
    FROM generate_series(array_lower(string_to_array(current_setting('search_path'),','),1),
        array_upper(string_to_array(current_setting('search_path'),','),1)) as i,
        string_to_array(current_setting('search_path'),',') s)"""
_RANGE = "BETWEEN '2026-09-21T00:00:00Z' AND '2026-09-22T23:59:59.999Z'"

GRAFANA = [
    Asked("ping", "SELECT 1"),
    Asked("version", "SELECT current_setting('server_version_num')::int/100 as version", (), ("version",), ("1500",)),
    Asked("timescale", "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'", (), ("extversion",)),
    Asked(
        "schemas",
        """SELECT schema_name AS "name" FROM information_schema.schemata
        WHERE schema_name NOT IN ('information_schema', 'pg_catalog', 'pg_toast') ORDER BY schema_name""",
        (),
        ("name",),
        ("public",),
    ),
    Asked(
        "tables",
        f"""SELECT CASE WHEN {_PATH} THEN quote_ident(table_name)
            ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS "table"
        FROM information_schema.tables
        WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog')
        ORDER BY CASE WHEN {_PATH} THEN 0 ELSE 1 END, 1""",
        (),
        ("table",),
        ("sys_invocation",),
    ),
    Asked(
        "tables of a schema",
        """SELECT quote_ident(table_name) AS "table" FROM information_schema.tables
        WHERE quote_ident(table_schema) = 'public' ORDER BY 1""",
        (),
        ("table",),
        ("state",),
    ),
    Asked(
        "columns",
        f"""SELECT quote_ident(column_name) AS "column", data_type AS "type" FROM information_schema.columns
        WHERE CASE WHEN array_length(parse_ident('sys_invocation'),1) = 2
            THEN quote_ident(table_schema) = (parse_ident('sys_invocation'))[1]
                AND quote_ident(table_name) = (parse_ident('sys_invocation'))[2]
            ELSE quote_ident(table_name) = 'sys_invocation' AND {_PATH} END""",
        (),
        ("column", "type"),
        ("created_at", "timestamp with time zone"),
    ),
    Asked(
        "$__timeFilter and $__timeGroupAlias",
        f"""SELECT floor(extract(epoch from created_at)/60)*60 AS "time", count(*) AS n FROM sys_invocation
        WHERE created_at {_RANGE} GROUP BY 1 ORDER BY 1""",
        (),
        ("time", "n"),
    ),
    Asked(
        "$__timeGroup and a metric",
        f"""SELECT floor(extract(epoch from created_at)/300)*300 AS "time", status AS metric, count(id) AS "n"
        FROM sys_invocation WHERE created_at {_RANGE} GROUP BY 1,2 ORDER BY 1,2""",
    ),
    Asked(
        "$__time",
        f'SELECT created_at AS "time", retry_count FROM sys_invocation WHERE created_at {_RANGE} ORDER BY 1 LIMIT 50',
        (),
        ("time", "retry_count"),
    ),
    Asked(
        "$__unixEpochFilter",
        """SELECT extract(epoch from created_at) as "time", 1 AS n FROM sys_invocation
        WHERE extract(epoch from created_at) >= 1790000000 AND extract(epoch from created_at) <= 1990000000""",
        (),
        ("time", "n"),
    ),
    Asked(
        "$__timeFrom",
        "SELECT count(*) AS n FROM sys_invocation WHERE created_at >= '2026-09-21T00:00:00.5Z'",
        (),
        ("n",),
    ),
]
