"""What JDBC's driver asks for its metadata. See `asked`."""

from __future__ import annotations

from tests.sqld.clients.asked import Asked

__all__ = ["JDBC"]


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
