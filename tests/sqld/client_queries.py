"""What clients ask the catalogue, told by their own sources (facts: names of tables, columns and functions).

Each is (name, query, parameters, column names or None for whatever, a row that must be among the answer's or None).
Parameters are text, of unknown type, as JDBC and node-postgres send them.

Beside those that this project names, a few of pgcli, Metabase, DataGrip and Npgsql, which ask in ways of their own.

Sources: PostgreSQL's describe.c (by psql itself, in `test_pg_clients.py`); pgjdbc's PgDatabaseMetaData and
TypeInfoCache; DBeaver's PostgreDataSource, PostgreDatabase, PostgreSchema, PostgreDataTypeCache; Grafana's
postgresMetaQuery.ts and macros.go; SQLAlchemy's inspector (run in `test_pg_clients.py`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["DBEAVER", "GRAFANA", "JDBC", "OTHERS", "Asked"]


class Asked(NamedTuple):
    name: str
    query: str
    parameters: tuple[str, ...] = ()
    columns: tuple[str, ...] | None = None
    row: tuple[Any, ...] | None = None


def _cases(column: str, kinds: dict[str, str]) -> str:
    whens = " ".join(f"WHEN '{kind}' THEN '{title}'" for kind, title in kinds.items())
    return f"CASE {column} {whens} ELSE NULL END"


_SYSTEM = {"r": "SYSTEM TABLE", "v": "SYSTEM VIEW", "i": "SYSTEM INDEX"}
_TOAST = {"r": "SYSTEM TOAST TABLE", "i": "SYSTEM TOAST INDEX"}
_TEMPORARY = {"r": "TEMPORARY TABLE", "p": "TEMPORARY TABLE", "i": "TEMPORARY INDEX", "v": "TEMPORARY VIEW"}
_PLAIN = {"r": "TABLE", "p": "PARTITIONED TABLE", "i": "INDEX", "S": "SEQUENCE", "v": "VIEW", "m": "MATERIALIZED VIEW"}
_TABLE_TYPE = f"""
    CASE n.nspname ~ '^pg_' OR n.nspname = 'information_schema'
    WHEN true THEN CASE
        WHEN n.nspname = 'pg_catalog' OR n.nspname = 'information_schema' THEN {_cases("c.relkind", _SYSTEM)}
        WHEN n.nspname = 'pg_toast' THEN {_cases("c.relkind", _TOAST)}
        ELSE {_cases("c.relkind", _TEMPORARY)} END
    WHEN false THEN {_cases("c.relkind", _PLAIN)}
    ELSE NULL END"""
_DESCRIBED = """
    LEFT JOIN pg_catalog.pg_description d ON (c.oid = d.objoid AND d.objsubid = 0)
    LEFT JOIN pg_catalog.pg_class dc ON (d.classoid=dc.oid AND dc.relname='pg_class')
    LEFT JOIN pg_catalog.pg_namespace dn ON (dn.oid=dc.relnamespace AND dn.nspname='pg_catalog')"""
_KEYS = """
    SELECT NULL AS TABLE_CAT, n.nspname AS TABLE_SCHEM, ct.relname AS TABLE_NAME, a.attname AS COLUMN_NAME,
        (information_schema._pg_expandarray(i.indkey)).n AS KEY_SEQ, ci.relname AS PK_NAME,
        information_schema._pg_expandarray(i.indkey) AS KEYS, a.attnum AS A_ATTNUM
    FROM pg_catalog.pg_class ct
    JOIN pg_catalog.pg_attribute a ON (ct.oid = a.attrelid)
    JOIN pg_catalog.pg_namespace n ON (ct.relnamespace = n.oid)
    JOIN pg_catalog.pg_index i ON ( a.attrelid = i.indrelid)
    JOIN pg_catalog.pg_class ci ON (ci.oid = i.indexrelid)
    WHERE true AND n.nspname = 'public' AND ct.relname = 'state' AND i.indisprimary"""
_FOREIGN = """
    SELECT NULL::text AS PKTABLE_CAT, pkn.nspname AS PKTABLE_SCHEM, pkc.relname AS PKTABLE_NAME, pos.n AS KEY_SEQ,
        CASE con.confupdtype WHEN 'c' THEN 0 ELSE NULL END AS UPDATE_RULE, con.conname AS FK_NAME,
        CASE WHEN con.condeferrable AND con.condeferred THEN 5 ELSE 7 END AS DEFERRABILITY
    FROM pg_catalog.pg_namespace pkn, pg_catalog.pg_class pkc, pg_catalog.pg_attribute pka,
        pg_catalog.pg_constraint con, pg_catalog.generate_series(1, 32) pos(n), pg_catalog.pg_class pkic
    WHERE pkn.oid = pkc.relnamespace AND pkc.oid = pka.attrelid AND pka.attnum = con.confkey[pos.n]
        AND con.contype = 'f' AND (pkic.relkind = 'i' OR pkic.relkind = 'I') AND pkic.oid = con.conindid
    ORDER BY pkn.nspname,pkc.relname,con.conname,pos.n"""

JDBC = [
    Asked("setting digits", "SET extra_float_digits = 3"),
    Asked("setting a name", "SET application_name = 'PostgreSQL JDBC Driver'"),
    Asked("read only", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"),
    Asked("isolation", "SHOW TRANSACTION ISOLATION LEVEL", (), ("transaction_isolation",), ("repeatable read",)),
    Asked("current schema", "select current_schema()", (), ("current_schema",), ("public",)),
    Asked(
        "getTables",
        f"""SELECT NULL AS TABLE_CAT, n.nspname AS TABLE_SCHEM, c.relname AS TABLE_NAME, {_TABLE_TYPE} AS TABLE_TYPE,
            d.description AS REMARKS, '' as TYPE_CAT, '' as TYPE_SCHEM, '' as TYPE_NAME,
            '' AS SELF_REFERENCING_COL_NAME, '' AS REF_GENERATION
        FROM pg_catalog.pg_namespace n, pg_catalog.pg_class c {_DESCRIBED}
        WHERE c.relnamespace = n.oid AND n.nspname LIKE 'pub%' AND c.relname LIKE 'sys\\_inv%'
            AND (false OR ( c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' )
            OR ( c.relkind = 'v' AND n.nspname <> 'pg_catalog' AND n.nspname <> 'information_schema' ) )
        ORDER BY TABLE_TYPE,TABLE_SCHEM,TABLE_NAME""",
        (),
        (
            *("table_cat", "table_schem", "table_name", "table_type", "remarks", "type_cat", "type_schem"),
            *("type_name", "self_referencing_col_name", "ref_generation"),
        ),
    ),
    Asked(
        "getColumns",
        """SELECT * FROM (SELECT n.nspname,c.relname,a.attname,a.atttypid,
            a.attnotnull OR (t.typtype = 'd' AND t.typnotnull) AS attnotnull,a.atttypmod,a.attlen,t.typtypmod,
            row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum) AS attnum,
            nullif(a.attidentity, '') as attidentity,
            pg_catalog.pg_get_expr(def.adbin, def.adrelid) AS adsrc,dsc.description,t.typbasetype,t.typtype
        FROM pg_catalog.pg_namespace n
        JOIN pg_catalog.pg_class c ON (c.relnamespace = n.oid)
        JOIN pg_catalog.pg_attribute a ON (a.attrelid=c.oid)
        JOIN pg_catalog.pg_type t ON (a.atttypid = t.oid)
        LEFT JOIN pg_catalog.pg_attrdef def ON (a.attrelid=def.adrelid AND a.attnum = def.adnum)
        LEFT JOIN pg_catalog.pg_description dsc ON (c.oid=dsc.objoid AND a.attnum = dsc.objsubid)
        LEFT JOIN pg_catalog.pg_class dc ON (dc.oid=dsc.classoid AND dc.relname='pg_class')
        LEFT JOIN pg_catalog.pg_namespace dn ON (dc.relnamespace=dn.oid AND dn.nspname='pg_catalog')
        WHERE c.relkind in ('r','p','v','f','m') and a.attnum > 0 AND NOT a.attisdropped
            AND n.nspname LIKE 'public' AND c.relname LIKE 'state') c WHERE true AND attname LIKE 'key'
        ORDER BY nspname,c.relname,attnum""",
    ),
    Asked(
        "getPrimaryKeys",
        f"""SELECT result.TABLE_CAT, result.TABLE_SCHEM, result.TABLE_NAME, result.COLUMN_NAME, result.KEY_SEQ,
            result.PK_NAME FROM ({_KEYS}) result where result.A_ATTNUM = (result.KEYS).x
        ORDER BY result.table_name, result.pk_name, result.key_seq""",
        (),
        ("table_cat", "table_schem", "table_name", "column_name", "key_seq", "pk_name"),
    ),
    Asked("getImportedKeys", _FOREIGN),
    Asked(
        "getSchemas",
        """SELECT nspname AS TABLE_SCHEM, NULL AS TABLE_CATALOG FROM pg_catalog.pg_namespace
        WHERE nspname <> 'pg_toast' AND (nspname !~ '^pg_temp_' OR nspname = (pg_catalog.current_schemas(true))[1])
            AND (nspname !~ '^pg_toast_temp_'
                OR nspname = replace((pg_catalog.current_schemas(true))[1], 'pg_temp_', 'pg_toast_temp_'))
        ORDER BY TABLE_SCHEM""",
        (),
        ("table_schem", "table_catalog"),
        ("public", None),
    ),
    Asked(
        "getCatalogs",
        "SELECT datname AS TABLE_CAT FROM pg_catalog.pg_database WHERE datallowconn = true ORDER BY datname",
        (),
        ("table_cat",),
        ("everlog",),
    ),
    Asked(
        "getTypeInfo",
        """SELECT t.typname,t.oid FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON (t.typnamespace = n.oid)
        WHERE n.nspname != 'pg_toast'
            AND (t.typrelid = 0 OR (SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid))""",
        (),
        ("typname", "oid"),
        ("timestamptz", "1184"),
    ),
    Asked(
        "a type by its number",
        """SELECT n.nspname = ANY(current_schemas(true)), n.nspname, t.typname FROM pg_catalog.pg_type t
        JOIN pg_catalog.pg_namespace n ON t.typnamespace = n.oid WHERE t.oid = $1""",
        ("1009",),
        None,
        ("t", "pg_catalog", "_text"),
    ),
    Asked(
        "a type's JDBC type",
        """SELECT typinput='pg_catalog.array_in'::regproc as is_array, typtype, typname, pg_type.oid
        FROM pg_catalog.pg_type LEFT JOIN (select ns.oid as nspoid, ns.nspname, r.r from pg_namespace as ns
            join ( select s.r, (current_schemas(false))[s.r] as nspname
                from generate_series(1, array_upper(current_schemas(false), 1)) as s(r) ) as r using ( nspname )
            ) as sp ON sp.nspoid = typnamespace
        WHERE pg_type.oid = $1 ORDER BY sp.r, pg_type.oid DESC""",
        ("1009",),
        ("is_array", "typtype", "typname", "oid"),
        ("t", "b", "_text", "1009"),
    ),
    Asked(
        "a type with its array",
        """SELECT t.oid, n.nspname = ANY(current_schemas(true)), n.nspname, t.typinput = 'array_in'::regproc, t.typname,
            t.typelem, t.typtype, t.typdelim, e.typname, e.typtype, e.typdelim, arr.oid, arr.typname
        FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON t.typnamespace = n.oid
        LEFT JOIN pg_catalog.pg_type e ON t.typelem = e.oid
        LEFT JOIN pg_catalog.pg_type arr ON (t.oid, 'array_in'::regproc) = (arr.typelem, arr.typinput)
        WHERE t.oid = $1""",
        ("25",),
    ),
    Asked(
        "keywords",
        "select string_agg(word, ',') from pg_catalog.pg_get_keywords() where word <> ALL ('{a,abs,any}'::text[])",
    ),
    Asked("most columns of an index", "SELECT setting FROM pg_catalog.pg_settings WHERE name='max_index_keys'"),
    Asked(
        "privileges",
        """SELECT n.nspname,c.relname,r.rolname,c.relacl
        FROM pg_catalog.pg_namespace n, pg_catalog.pg_class c, pg_catalog.pg_roles r
        WHERE c.relnamespace = n.oid AND c.relowner = r.oid AND c.relkind IN ('r','p','v','m','f')
            AND c.relname LIKE 'state' ORDER BY nspname, relname""",
        (),
        ("nspname", "relname", "rolname", "relacl"),
        ("public", "state", "everlog", None),
    ),
    Asked(
        "getFunctions",
        """SELECT current_database() AS FUNCTION_CAT, n.nspname AS FUNCTION_SCHEM, p.proname AS FUNCTION_NAME,
            d.description AS REMARKS, CASE WHEN p.proretset THEN 2 ELSE 1 END AS FUNCTION_TYPE,
            p.proname || '_' || p.oid AS SPECIFIC_NAME
        FROM pg_catalog.pg_proc p INNER JOIN pg_catalog.pg_namespace n ON p.pronamespace=n.oid
        LEFT JOIN pg_catalog.pg_description d ON p.oid=d.objoid WHERE true AND p.prokind='f'
        ORDER BY FUNCTION_SCHEM, FUNCTION_NAME, p.oid::text""",
    ),
]

DBEAVER = [
    Asked("who", "SELECT current_schema(),session_user", (), ("current_schema", "session_user"), ("public", "everlog")),
    Asked("path", "SHOW search_path", (), ("search_path",), ('"$user", public',)),
    Asked(
        "databases",
        "SELECT db.oid,db.* FROM pg_catalog.pg_database db WHERE NOT datistemplate AND datallowconn AND db.datname=$1",
        ("everlog",),
    ),
    Asked("version", "SELECT version()"),
    Asked("settings", "select * from pg_catalog.pg_settings where name='standard_conforming_strings'"),
    Asked("has enums", "SELECT * FROM pg_catalog.pg_enum WHERE 1<>1 LIMIT 1"),
    Asked("has types of classes", "SELECT reltype FROM pg_catalog.pg_class WHERE 1<>1 LIMIT 1", (), ("reltype",)),
    Asked(
        "schemas",
        """SELECT n.oid,n.*,d.description FROM pg_catalog.pg_namespace n
        LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=n.oid AND d.objsubid=0
            AND d.classoid='pg_namespace'::regclass
        ORDER BY nspname""",
        (),
        ("oid", "oid", "nspname", "nspowner", "nspacl", "description"),
        ("2200", "2200", "public", "10", None, None),
    ),
    Asked(
        "types",
        """SELECT t.oid,t.*,c.relkind,format_type(nullif(t.typbasetype, 0), t.typtypmod) as base_type_name,
            d.description
        FROM pg_catalog.pg_type t
        LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid=t.typelem
        LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid=t.typrelid
        LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid=d.objoid
        WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c')
            AND (et.typcategory IS NULL OR et.typcategory <> 'C') AND t.typnamespace=$1""",
        ("11",),
    ),
    Asked(
        "tables",
        """SELECT c.oid,c.*,d.description,
            (select array_agg(i.inhparent) from pg_catalog.pg_inherits i where i.inhrelid = c.oid) parents
        FROM pg_catalog.pg_class c
        LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0
            AND d.classoid='pg_class'::regclass
        WHERE c.relnamespace=$1 AND c.relkind not in ('i','I','c')""",
        ("2200",),
    ),
    Asked(
        "columns",
        """SELECT c.relname,a.*,pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as def_value,dsc.description
        FROM pg_catalog.pg_attribute a INNER JOIN pg_catalog.pg_class c ON (a.attrelid=c.oid)
        LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid=ad.adrelid AND a.attnum = ad.adnum)
        LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid=dsc.objoid AND a.attnum = dsc.objsubid)
        WHERE NOT a.attisdropped AND c.relnamespace=$1 AND c.relkind not in ('i','I','c') ORDER BY a.attnum""",
        ("2200",),
    ),
    Asked(
        "constraints",
        """SELECT c.oid,c.*,t.relname as tabrelname,rt.relnamespace as refnamespace,d.description
        FROM pg_catalog.pg_constraint c INNER JOIN pg_catalog.pg_class t ON t.oid=c.conrelid
        LEFT OUTER JOIN pg_catalog.pg_class rt ON rt.oid=c.confrelid
        LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0
        WHERE t.relnamespace=$1 ORDER BY c.oid""",
        ("2200",),
    ),
    Asked(
        "indexes",
        """SELECT i.*,i.indkey as keys,c.relname,c.relnamespace,c.relam,c.reltablespace,tc.relname as tabrelname,
            dsc.description,pg_catalog.pg_get_expr(i.indpred, i.indrelid) as pred_expr,
            pg_catalog.pg_get_expr(i.indexprs, i.indrelid, true) as expr
        FROM pg_catalog.pg_index i INNER JOIN pg_catalog.pg_class c ON c.oid=i.indexrelid
        INNER JOIN pg_catalog.pg_class tc ON tc.oid=i.indrelid
        LEFT OUTER JOIN pg_catalog.pg_description dsc ON i.indexrelid=dsc.objoid
        WHERE i.indrelid=$1 ORDER BY tabrelname, c.relname""",
        ("16384",),
    ),
    Asked(
        "procedures",
        """SELECT p.oid as poid,p.*,pg_catalog.pg_get_expr(proargdefaults, 0) as arg_defaults,d.description
        FROM pg_catalog.pg_proc p LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=p.oid
        WHERE p.pronamespace=$1 ORDER BY p.proname""",
        ("2200",),
    ),
    Asked("roles", "SELECT a.oid,a.* FROM pg_catalog.pg_roles a ORDER BY a.rolname"),
    Asked("access methods", "SELECT am.oid,am.* FROM pg_catalog.pg_am am ORDER BY am.oid"),
    Asked("languages", "SELECT l.oid,l.* FROM pg_catalog.pg_language l ORDER BY l.oid"),
    Asked("tablespaces", "SELECT t.oid,t.* FROM pg_catalog.pg_tablespace t ORDER BY t.oid"),
    Asked("collations", "SELECT c.oid,c.* FROM pg_catalog.pg_collation c WHERE c.collnamespace=$1", ("11",)),
    Asked("extensions", "SELECT e.oid,e.* FROM pg_catalog.pg_extension e ORDER BY e.extname"),
    Asked(
        "foreign wrappers",
        """SELECT l.oid,l.*,p.pronamespace as handler_schema_id FROM pg_catalog.pg_foreign_data_wrapper l
        LEFT OUTER JOIN pg_catalog.pg_proc p ON p.oid=l.fdwhandler ORDER BY l.fdwname""",
    ),
    Asked(
        "encodings",
        """SELECT c.contoencoding as encid,pg_catalog.pg_encoding_to_char(c.contoencoding) as encname
        FROM pg_catalog.pg_conversion c GROUP BY c.contoencoding ORDER BY 2""",
        (),
        ("encid", "encname"),
        ("6", "UTF8"),
    ),
    Asked(
        "sizes",
        """SELECT c.oid,pg_catalog.pg_total_relation_size(c.oid) as total_rel_size,
            pg_catalog.pg_relation_size(c.oid) as rel_size
        FROM pg_class c WHERE c.relnamespace=$1""",
        ("2200",),
        ("oid", "total_rel_size", "rel_size"),
    ),
    Asked("sessions", "SELECT sa.* FROM pg_catalog.pg_stat_activity sa"),
    Asked("another schema", 'SET search_path = "$user","public"'),
]

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

_NAME = """'"' || replace(t.schemaname, '"', '""') || '"."' || replace(t.objectname, '"', '""') || '"'"""
#: Npgsql tells arrays by their receive function, first of the type and then of its elements.
_RECEIVES = "CASE WHEN {proc}.proname='array_recv' THEN 'a' ELSE {type}.typtype END"

OTHERS = [
    Asked("asyncpg's pool", "SELECT pg_advisory_unlock_all()"),
    Asked("what I am", "SELECT current_user, user, current_database(), current_catalog"),
    Asked("all columns", "SELECT * FROM information_schema.columns WHERE table_name = 'state'"),
    Asked("qualified", "SELECT tables.table_name FROM information_schema.tables WHERE tables.table_type = 'VIEW'"),
    Asked(
        "keys",
        """SELECT * FROM information_schema.key_column_usage k
        JOIN information_schema.table_constraints t ON k.constraint_name = t.constraint_name""",
    ),
    Asked("node-postgres", "SELECT typname, oid, typarray FROM pg_type WHERE typname = 'json' ORDER BY oid"),
    Asked(
        "pgAdmin",
        "SELECT set_config('bytea_output', 'hex', false) FROM pg_catalog.pg_settings WHERE name = 'bytea_output'",
    ),
    Asked(
        "psycopg's types",
        """SELECT typname AS name, oid, typarray AS array_oid, oid::regtype::text AS regtype, typdelim AS delimiter
        FROM pg_type t WHERE t.oid = to_regtype($1) ORDER BY t.oid""",
        ("text",),
        ("name", "oid", "array_oid", "regtype", "delimiter"),
    ),
    Asked("pgcli: path", "SELECT * FROM unnest(current_schemas(true))"),
    Asked(
        "pgcli: columns",
        """SELECT nsp.nspname schema_name, cls.relname table_name, att.attname column_name,
            att.atttypid::regtype::text type_name, pg_catalog.pg_get_expr(def.adbin, def.adrelid, true) as default
        FROM pg_catalog.pg_attribute att INNER JOIN pg_catalog.pg_class cls ON att.attrelid = cls.oid
        INNER JOIN pg_catalog.pg_namespace nsp ON cls.relnamespace = nsp.oid
        LEFT OUTER JOIN pg_attrdef def ON def.adrelid = att.attrelid AND def.adnum = att.attnum
        WHERE cls.relkind = ANY('{v,m}') AND NOT att.attisdropped AND att.attnum > 0 ORDER BY 1, 2, att.attnum""",
    ),
    Asked(
        "pgcli: functions",
        """SELECT p.proname, COALESCE(proallargtypes::regtype[], proargtypes::regtype[])::text[],
            prorettype::regtype::text, d.deptype = 'e' is_extension
        FROM pg_catalog.pg_proc p LEFT JOIN pg_depend d ON d.objid = p.oid and d.deptype = 'e'
        WHERE p.prorettype::regtype != 'trigger'::regtype ORDER BY 1, 2""",
    ),
    Asked(
        "Metabase: privileges",
        f"""with table_privileges as (
            select NULL as role, t.schemaname as schema, t.objectname as table,
                pg_catalog.has_any_column_privilege(current_user, {_NAME}, 'update') as update,
                pg_catalog.has_table_privilege(current_user, {_NAME}, 'delete') as delete
            from (select schemaname, tablename as objectname from pg_catalog.pg_tables
                union select schemaname, viewname as objectname from pg_catalog.pg_views
                union select schemaname, matviewname as objectname from pg_catalog.pg_matviews) t
            where t.schemaname !~ '^pg_' and pg_catalog.has_schema_privilege(current_user, t.schemaname, 'usage'))
        select t.* from table_privileges t""",
        (),
        ("role", "schema", "table", "update", "delete"),
        (None, "public", "state", "f", "f"),
    ),
    Asked(
        "Metabase: fields",
        """SELECT c.column_name AS name, FORMAT('%s', c.udt_name) AS "database-type",
            COL_DESCRIPTION(CAST(CAST(FORMAT('%I.%I', CAST(c.table_schema AS TEXT), CAST(c.table_name AS TEXT))
                AS REGCLASS) AS OID), c.ordinal_position) AS "field-comment"
        FROM information_schema.columns AS c LEFT JOIN (
            SELECT tc.table_schema, tc.table_name, kc.column_name FROM information_schema.table_constraints AS tc
            INNER JOIN information_schema.key_column_usage AS kc ON tc.constraint_name = kc.constraint_name
            WHERE tc.constraint_type = 'PRIMARY KEY') AS pk
            ON c.table_schema = pk.table_schema AND c.table_name = pk.table_name AND c.column_name = pk.column_name
        WHERE c.table_schema !~ '^information_schema|catalog_history|pg_' AND c.table_name = 'state'""",
        (),
        ("name", "database-type", "field-comment"),
        ("value_utf8", "text", "the value, when it is UTF-8"),
    ),
    Asked(
        "DataGrip: schemas",
        """select N.oid::bigint as id, N.xmin as state_number, nspname as name, D.description,
            pg_catalog.pg_get_userbyid(N.nspowner) as "owner"
        from pg_catalog.pg_namespace N left join pg_catalog.pg_description D on N.oid = D.objoid
        order by case when nspname = pg_catalog.current_schema() then -1::bigint else N.oid::bigint end""",
        (),
        ("id", "state_number", "name", "description", "owner"),
        ("2200", "0", "public", None, "everlog"),
    ),
    Asked("DataGrip: TLS", "select ssl from pg_stat_ssl where pid = pg_backend_pid()"),
    Asked(
        "Npgsql: types",
        f"""SELECT ns.nspname, t.oid, t.typname, t.typtype, t.typnotnull, t.elemtypoid FROM (
            SELECT typ.oid, typ.typnamespace, typ.typname, typ.typtype, typ.typrelid, typ.typnotnull, typ.relkind,
                elemtyp.oid AS elemtypoid, elemtyp.typname AS elemtypname, elemcls.relkind AS elemrelkind,
                {_RECEIVES.format(proc="elemproc", type="elemtyp")} AS elemtyptype
            FROM (SELECT typ.oid, typnamespace, typname, typrelid, typnotnull, relkind, typelem AS elemoid,
                    {_RECEIVES.format(proc="proc", type="typ")} AS typtype,
                    CASE WHEN proc.proname='array_recv' THEN typ.typelem WHEN typ.typtype='r' THEN rngsubtype
                        WHEN typ.typtype='m' THEN (SELECT rngtypid FROM pg_range WHERE rngmultitypid = typ.oid)
                        WHEN typ.typtype='d' THEN typ.typbasetype END AS elemtypoid
                FROM pg_type AS typ LEFT JOIN pg_class AS cls ON (cls.oid = typ.typrelid)
                LEFT JOIN pg_proc AS proc ON proc.oid = typ.typreceive
                LEFT JOIN pg_range ON (pg_range.rngtypid = typ.oid)) AS typ
            LEFT JOIN pg_type AS elemtyp ON elemtyp.oid = elemtypoid
            LEFT JOIN pg_class AS elemcls ON (elemcls.oid = elemtyp.typrelid)
            LEFT JOIN pg_proc AS elemproc ON elemproc.oid = elemtyp.typreceive) AS t
        JOIN pg_namespace AS ns ON (ns.oid = typnamespace)
        WHERE typtype IN ('b', 'r', 'm', 'e', 'd') OR (typtype = 'c' AND relkind='c')
            OR (typtype = 'a' AND (elemtyptype IN ('b', 'r', 'm', 'e', 'd') OR (elemtyptype = 'c' AND elemrelkind='c')))
        ORDER BY CASE WHEN typtype IN ('b', 'e', 'p') THEN 0 WHEN typtype = 'c' THEN 1 ELSE 2 END""",
        (),
        ("nspname", "oid", "typname", "typtype", "typnotnull", "elemtypoid"),
        ("pg_catalog", "1009", "_text", "a", "f", "25"),
    ),
]
