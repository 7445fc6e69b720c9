"""A few of pgcli, Metabase, DataGrip and Npgsql, which ask in ways of their own. See `asked`."""

from __future__ import annotations

from tests.sqld.clients.asked import Asked

__all__ = ["OTHERS"]

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
