"""The rows of pg_catalog's tables. Pure: no I/O.

Only what clients read: the columns of PostgreSQL 15 that psql, SQLAlchemy and drivers name. Numbers of PostgreSQL's
own objects are PostgreSQL's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from shared.tables.columns import Column, ColumnType
from shared.tables.registry import TABLES, VIEWS
from sqld.pgwire.types import ARRAYS, TYPES, Oid

__all__ = ["DATABASE", "EMPTY", "RELATIONS", "ROLE", "Relation", "relation_oids"]

#: The one database and role that are shown; clients may connect under any name.
DATABASE = "everlog"
ROLE = "everlog"

_ROLE_OID = 10
_PUBLIC_OID = 2200
_CATALOG_OID = 11
_FIRST_USER_OID = 16384

_OID_OF: dict[ColumnType, Oid] = {
    ColumnType.U64: Oid.NUMERIC,
    ColumnType.U32: Oid.INT8,
    ColumnType.BOOL: Oid.BOOL,
    ColumnType.TEXT: Oid.TEXT,
    ColumnType.BYTES: Oid.BYTEA,
    ColumnType.TIMESTAMP: Oid.TIMESTAMPTZ,
    ColumnType.DURATION: Oid.INTERVAL,
    ColumnType.U32_LIST: Oid.INT8_ARRAY,
    ColumnType.TEXT_LIST: Oid.TEXT_ARRAY,
}


class Relation(NamedTuple):
    """`columns` are `name:type` with types i(nteger), t(ext), b(oolean), f(loat), I and T for arrays."""

    columns: str
    rows: Callable[[], list[tuple[Any, ...]]]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """(name, type letter) of each column."""
        return [(name, kind) for name, _, kind in (part.partition(":") for part in self.columns.split())]


class _User(NamedTuple):
    oid: int
    name: str
    kind: str
    doc: str
    columns: tuple[Column, ...]


def _users() -> list[_User]:
    """Our tables and views. Their numbers follow their names, so they are the same in every process."""
    found = [(table.name, "r", table.doc, table.columns) for table in TABLES.values()]
    found += [(view.name, "v", view.doc, view.columns) for view in VIEWS.values()]
    return [_User(_FIRST_USER_OID + i, *entry) for i, entry in enumerate(sorted(found))]


def relation_oids() -> dict[str, int]:
    """Name -> number of our tables and views, and of pg_catalog's that clients cast to regclass."""
    return {user.name: user.oid for user in _users()} | {
        "pg_type": 1247,
        "pg_attribute": 1249,
        "pg_proc": 1255,
        "pg_class": 1259,
        "pg_namespace": 2615,
        "pg_database": 1262,
    }


def _classes() -> list[tuple[Any, ...]]:
    return [
        (
            *(u.oid, u.name, _PUBLIC_OID, 0, _ROLE_OID, 2 if u.kind == "r" else 0, 0, u.kind, "p", len(u.columns)),
            *(False, u.kind == "v", False, False, False, "n", None, 0, False, 0, 0, -1.0, None, False, u.oid, 0),
            *(False, True),
        )
        for u in _users()
    ]


def _attributes() -> list[tuple[Any, ...]]:
    return [
        (
            *(user.oid, column.name, oid, TYPES[oid].length, number, -1, False, False, "", "", False, 100, None),
            *(True, None, 0, -1, int(oid in ARRAYS), "x", None, "", False),
        )
        for user in _users()
        for number, column in enumerate(user.columns, 1)
        for oid in (_OID_OF[column.type],)
    ]


def _types() -> list[tuple[Any, ...]]:
    array_of = {element: array for array, element in ARRAYS.items()}
    return [
        (
            *(int(oid), kind.name, _CATALOG_OID, _ROLE_OID, kind.length, "b", int(ARRAYS.get(oid, 0)), 0, 0, -1),
            *(100 if kind.category == "S" else 0, int(array_of.get(oid, 0)), False, ",", kind.category, None, 0),
        )
        for oid, kind in TYPES.items()
    ]


def _descriptions() -> list[tuple[Any, ...]]:
    tables = [(user.oid, 1259, 0, user.doc) for user in _users()]
    columns = [
        (user.oid, 1259, number, column.doc) for user in _users() for number, column in enumerate(user.columns, 1)
    ]
    return tables + columns


RELATIONS: dict[str, Relation] = {
    "pg_namespace": Relation(
        "oid:i nspname:t nspowner:i nspacl:T",
        lambda: [
            (_CATALOG_OID, "pg_catalog", _ROLE_OID, None),
            (_PUBLIC_OID, "public", _ROLE_OID, None),
            (13000, "information_schema", _ROLE_OID, None),
        ],
    ),
    "pg_class": Relation(
        "oid:i relname:t relnamespace:i reltype:i relowner:i relam:i reltablespace:i relkind:t relpersistence:t "
        "relnatts:i relhasindex:b relhasrules:b relhastriggers:b relrowsecurity:b relforcerowsecurity:b "
        "relreplident:t relacl:T relchecks:i relispartition:b reltoastrelid:i reloftype:i reltuples:f reloptions:T "
        "relhassubclass:b relfilenode:i relpages:i relisshared:b relispopulated:b",
        _classes,
    ),
    "pg_attribute": Relation(
        "attrelid:i attname:t atttypid:i attlen:i attnum:i atttypmod:i attnotnull:b atthasdef:b attidentity:t "
        "attgenerated:t attisdropped:b attcollation:i attacl:T attislocal:b attoptions:T attinhcount:i "
        "attstattarget:i attndims:i attstorage:t attfdwoptions:T attcompression:t atthasmissing:b",
        _attributes,
    ),
    "pg_type": Relation(
        "oid:i typname:t typnamespace:i typowner:i typlen:i typtype:t typelem:i typrelid:i typbasetype:i typtypmod:i "
        "typcollation:i typarray:i typnotnull:b typdelim:t typcategory:t typdefault:t typndims:i",
        _types,
    ),
    "pg_database": Relation(
        "oid:i datname:t datdba:i encoding:i datcollate:t datctype:t daticulocale:t datlocprovider:t datacl:T "
        "datallowconn:b datistemplate:b dattablespace:i datconnlimit:i",
        lambda: [(1, DATABASE, _ROLE_OID, 6, "C", "C", None, "c", None, True, False, 1663, -1)],
    ),
    "pg_roles": Relation(
        "oid:i rolname:t rolsuper:b rolinherit:b rolcreaterole:b rolcreatedb:b rolcanlogin:b rolconnlimit:i "
        "rolvaliduntil:t rolreplication:b rolbypassrls:b rolconfig:T",
        lambda: [(_ROLE_OID, ROLE, False, True, False, False, True, -1, None, False, False, None)],
    ),
    "pg_user": Relation(
        "usename:t usesysid:i usecreatedb:b usesuper:b",
        lambda: [(ROLE, _ROLE_OID, False, False)],
    ),
    "pg_am": Relation("oid:i amname:t amtype:t", lambda: [(2, "heap", "t")]),
    "pg_description": Relation("objoid:i classoid:i objsubid:i description:t", _descriptions),
    "pg_tables": Relation(
        "schemaname:t tablename:t tableowner:t tablespace:t hasindexes:b hasrules:b hastriggers:b rowsecurity:b",
        lambda: [("public", u.name, ROLE, None, False, False, False, False) for u in _users() if u.kind == "r"],
    ),
    "pg_views": Relation(
        "schemaname:t viewname:t viewowner:t definition:t",
        lambda: [("public", u.name, ROLE, VIEWS[u.name].sql) for u in _users() if u.kind == "v"],
    ),
    "pg_settings": Relation(
        "name:t setting:t unit:t category:t short_desc:t",
        lambda: [("server_version_num", "150000", None, None, None), ("max_index_keys", "32", None, None, None)],
    ),
    "pg_tablespace": Relation(
        "oid:i spcname:t spcowner:i spcacl:T spcoptions:T", lambda: [(1663, "pg_default", _ROLE_OID, None, None)]
    ),
}

_EMPTY_COLUMNS = {
    "pg_proc": "oid:i proname:t pronamespace:i proowner:i prokind:t proargtypes:t prorettype:i prolang:i proisagg:b",
    "pg_index": "indexrelid:i indrelid:i indnatts:i indnkeyatts:i indisunique:b indisprimary:b indisexclusion:b "
    "indimmediate:b indisclustered:b indisvalid:b indisready:b indislive:b indisreplident:b indkey:I "
    "indcollation:I indclass:I indoption:I indexprs:t indpred:t indnullsnotdistinct:b",
    "pg_constraint": "oid:i conname:t connamespace:i contype:t condeferrable:b condeferred:b convalidated:b conrelid:i "
    "contypid:i conindid:i conparentid:i confrelid:i confupdtype:t confdeltype:t confmatchtype:t conkey:I confkey:I",
    "pg_attrdef": "oid:i adrelid:i adnum:i adbin:t",
    "pg_collation": "oid:i collname:t collnamespace:i",
    "pg_policy": "oid:i polname:t polrelid:i polcmd:t polpermissive:b polroles:I polqual:t polwithcheck:t",
    "pg_inherits": "inhrelid:i inhparent:i inhseqno:i inhdetachpending:b",
    "pg_partitioned_table": "partrelid:i partstrat:t",
    "pg_statistic_ext": "oid:i stxrelid:i stxnamespace:i stxname:t stxkind:T stxstattarget:i",
    "pg_publication": "oid:i pubname:t puballtables:b",
    "pg_publication_rel": "oid:i prrelid:i prpubid:i prqual:t prattrs:I",
    "pg_publication_namespace": "pnpubid:i pnnspid:i",
    "pg_trigger": "oid:i tgrelid:i tgname:t tgfoid:i tgenabled:t tgisinternal:b tgparentid:i tgconstraint:i",
    "pg_rewrite": "oid:i ev_class:i rulename:t ev_enabled:t ev_type:t",
    "pg_foreign_table": "ftrelid:i ftserver:i ftoptions:T",
    "pg_foreign_server": "oid:i srvname:t",
    "pg_range": "rngtypid:i rngsubtype:i",
    "pg_enum": "oid:i enumtypid:i enumlabel:t enumsortorder:f",
    "pg_auth_members": "roleid:i member:i admin_option:b",
    "pg_extension": "oid:i extname:t extversion:t extnamespace:i",
    "pg_depend": "classid:i objid:i objsubid:i refclassid:i refobjid:i refobjsubid:i deptype:t",
    "pg_shdescription": "objoid:i classoid:i description:t",
    "pg_sequence": "seqrelid:i seqtypid:i seqstart:i seqincrement:i seqmax:i seqmin:i seqcache:i seqcycle:b",
    "pg_cast": "oid:i castsource:i casttarget:i castfunc:i castcontext:t castmethod:t",
    "pg_opclass": "oid:i opcname:t opcmethod:i",
    "pg_operator": "oid:i oprname:t",
    "pg_language": "oid:i lanname:t",
    "pg_matviews": "schemaname:t matviewname:t matviewowner:t definition:t",
    "pg_event_trigger": "oid:i evtname:t",
    "pg_default_acl": "oid:i defaclrole:i defaclnamespace:i defaclobjtype:t",
    "pg_stat_activity": "pid:i datname:t usename:t state:t query:t",
}
#: Tables that never have a row.
EMPTY = frozenset(_EMPTY_COLUMNS)
RELATIONS |= {name: Relation(columns, list) for name, columns in _EMPTY_COLUMNS.items()}
