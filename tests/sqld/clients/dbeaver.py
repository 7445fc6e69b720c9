"""What DBeaver asks when it connects and in its navigator. See `asked`."""

from __future__ import annotations

from tests.sqld.clients.asked import Asked

__all__ = ["DBEAVER"]

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
