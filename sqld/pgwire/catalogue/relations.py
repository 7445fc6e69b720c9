"""The rows of pg_catalog's tables. Pure: no I/O.

Only what clients read: the columns of PostgreSQL 15 that psql, SQLAlchemy and drivers name. Numbers of PostgreSQL's
own objects are PostgreSQL's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from shared.tables.columns import Column
from shared.tables.registry import TABLES, VIEWS
from sqld.pgwire.settings import DEFAULTS
from sqld.pgwire.types import ARRAYS, TYPES, oid_of_column

__all__ = ["DATABASE", "EMPTY", "RELATIONS", "ROLE", "Relation", "User", "relation_oids", "users"]

#: The one database and role that are shown; clients may connect under any name.
DATABASE = "everlog"
ROLE = "everlog"

_ROLE_OID = 10
_PUBLIC_OID = 2200
_CATALOG_OID = 11
_FIRST_USER_OID = 16384


class Relation(NamedTuple):
    """`columns` are `name:type` with types i(nteger), t(ext), b(oolean), f(loat), I and T for arrays."""

    columns: str
    rows: Callable[[], list[tuple[Any, ...]]]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """(name, type letter) of each column."""
        return [(name, kind) for name, _, kind in (part.partition(":") for part in self.columns.split())]


class User(NamedTuple):
    """One of our tables (kind `r`) and views (`v`, with its query)."""

    oid: int
    name: str
    kind: str
    doc: str
    columns: tuple[Column, ...]
    sql: str = ""


def users() -> list[User]:
    """Our tables and views. Their numbers follow their names, so they are the same in every process."""
    found = [(table.name, "r", table.doc, table.columns, "") for table in TABLES.values()]
    found += [(view.name, "v", view.doc, view.columns, view.sql) for view in VIEWS.values()]
    return [User(_FIRST_USER_OID + i, *entry) for i, entry in enumerate(sorted(found, key=lambda entry: entry[0]))]


def relation_oids() -> dict[str, int]:
    """Name -> number of our tables and views, and of pg_catalog's that clients cast to regclass."""
    return {user.name: user.oid for user in users()} | {
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
        for u in users()
    ]


def _attributes() -> list[tuple[Any, ...]]:
    return [
        (
            *(user.oid, column.name, oid, TYPES[oid].length, number, -1, False, False, "", "", False, 100, None),
            *(True, None, 0, -1, int(oid in ARRAYS), "x", None, "", False),
        )
        for user in users()
        for number, column in enumerate(user.columns, 1)
        for oid in (oid_of_column(column.type.value),)
    ]


def _types() -> list[tuple[Any, ...]]:
    array_of = {element: array for array, element in ARRAYS.items()}
    return [
        (
            *(int(oid), kind.name, _CATALOG_OID, _ROLE_OID, kind.length, "b", int(ARRAYS.get(oid, 0)), 0, 0, -1),
            *(100 if kind.category == "S" else 0, int(array_of.get(oid, 0)), False, ",", kind.category, None, 0),
            *(
                "array_in" if oid in ARRAYS else f"{kind.name}in",
                2400 if oid in ARRAYS else 0,
                False,
                True,
                kind.length > 0,
                "x",
                None,
                None,
                None,
            ),
        )
        for oid, kind in TYPES.items()
    ]


def _descriptions() -> list[tuple[Any, ...]]:
    tables = [(user.oid, 1259, 0, user.doc) for user in users()]
    columns = [
        (user.oid, 1259, number, column.doc) for user in users() for number, column in enumerate(user.columns, 1)
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
        "typcollation:i typarray:i typnotnull:b typdelim:t typcategory:t typdefault:t typndims:i "
        "typinput:t typreceive:i typispreferred:b typisdefined:b typbyval:b typstorage:t typdefaultbin:t typacl:T "
        "typsubscript:t",
        _types,
    ),
    "pg_database": Relation(
        "oid:i datname:t datdba:i encoding:i datcollate:t datctype:t daticulocale:t datlocprovider:t datacl:T "
        "datallowconn:b datistemplate:b dattablespace:i datconnlimit:i datcollversion:t",
        lambda: [(1, DATABASE, _ROLE_OID, 6, "C", "C", None, "c", None, True, False, 1663, -1, None)],
    ),
    "pg_roles": Relation(
        "oid:i rolname:t rolsuper:b rolinherit:b rolcreaterole:b rolcreatedb:b rolcanlogin:b rolconnlimit:i "
        "rolvaliduntil:t rolreplication:b rolbypassrls:b rolconfig:T",
        lambda: [(_ROLE_OID, ROLE, False, True, False, False, True, -1, None, False, False, None)],
    ),
    "pg_user": Relation(
        "usename:t usesysid:i usecreatedb:b usesuper:b userepl:b usebypassrls:b passwd:t valuntil:t useconfig:T",
        lambda: [(ROLE, _ROLE_OID, False, False, False, False, None, None, None)],
    ),
    "pg_am": Relation("oid:i amname:t amtype:t", lambda: [(2, "heap", "t")]),
    "pg_description": Relation("objoid:i classoid:i objsubid:i description:t", _descriptions),
    "pg_tables": Relation(
        "schemaname:t tablename:t tableowner:t tablespace:t hasindexes:b hasrules:b hastriggers:b rowsecurity:b",
        lambda: [("public", u.name, ROLE, None, False, False, False, False) for u in users() if u.kind == "r"],
    ),
    "pg_views": Relation(
        "schemaname:t viewname:t viewowner:t definition:t",
        lambda: [("public", u.name, ROLE, u.sql) for u in users() if u.kind == "v"],
    ),
    "pg_settings": Relation(
        "name:t setting:t unit:t category:t short_desc:t extra_desc:t context:t vartype:t source:t min_val:t max_val:t "
        "enumvals:T boot_val:t reset_val:t sourcefile:t sourceline:i pending_restart:b",
        lambda: [
            (
                *(name, value, None, "Everlog", "", None, "user", "string", "default", None, None),
                *(None, value, value, None, None, False),
            )
            for name, value in DEFAULTS.items()
        ],
    ),
    "pg_get_keywords": Relation(
        "word:t catcode:t barelabel:b catdesc:t baredesc:t",
        lambda: [
            (word, "R", True, "reserved", "can be bare label")
            for word in (
                "analyze",
                "any",
                "asc",
                "desc",
                "distinct",
                "explain",
                "ilike",
                "limit",
                "offset",
                "returning",
            )
        ],
    ),
    "pg_conversion": Relation(
        "oid:i conname:t connamespace:i conowner:i conforencoding:i contoencoding:i conproc:i condefault:b",
        lambda: [(4400, "utf8_to_utf8", _CATALOG_OID, _ROLE_OID, 6, 6, 0, True)],
    ),
    "pg_language": Relation(
        "oid:i lanname:t lanowner:i lanispl:b lanpltrusted:b lanplcallfoid:i laninline:i lanvalidator:i lanacl:T",
        lambda: [(14, "sql", _ROLE_OID, False, True, 0, 0, 0, None)],
    ),
    "pg_stat_database": Relation(
        "datid:i datname:t numbackends:i xact_commit:i xact_rollback:i blks_read:i blks_hit:i",
        lambda: [(1, DATABASE, 0, 0, 0, 0, 0)],
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
    "pg_range": "rngtypid:i rngsubtype:i rngmultitypid:i",
    "pg_enum": "oid:i enumtypid:i enumlabel:t enumsortorder:f",
    "pg_auth_members": "roleid:i member:i admin_option:b",
    "pg_extension": "oid:i extname:t extversion:t extnamespace:i",
    "pg_depend": "classid:i objid:i objsubid:i refclassid:i refobjid:i refobjsubid:i deptype:t",
    "pg_shdescription": "objoid:i classoid:i description:t",
    "pg_sequence": "seqrelid:i seqtypid:i seqstart:i seqincrement:i seqmax:i seqmin:i seqcache:i seqcycle:b",
    "pg_cast": "oid:i castsource:i casttarget:i castfunc:i castcontext:t castmethod:t",
    "pg_opclass": "oid:i opcname:t opcmethod:i",
    "pg_operator": "oid:i oprname:t",
    "pg_matviews": "schemaname:t matviewname:t matviewowner:t definition:t",
    "pg_event_trigger": "oid:i evtname:t",
    "pg_default_acl": "oid:i defaclrole:i defaclnamespace:i defaclobjtype:t",
    "pg_stat_activity": "datid:i datname:t pid:i leader_pid:i usesysid:i usename:t application_name:t client_addr:t "
    "client_hostname:t client_port:i backend_start:t xact_start:t query_start:t state_change:t wait_event_type:t "
    "wait_event:t state:t backend_xid:i backend_xmin:i query_id:i query:t backend_type:t",
    "pg_largeobject_metadata": "oid:i lomowner:i lomacl:T",
    "pg_locks": "locktype:t database:i relation:i pid:i mode:t granted:b transactionid:i virtualtransaction:t",
    "pg_aggregate": "aggfnoid:i aggkind:t",
    "pg_amop": "oid:i amopfamily:i amoplefttype:i amoprighttype:i amopstrategy:i amoppurpose:t amopopr:i",
    "pg_amproc": "oid:i amprocfamily:i amproclefttype:i amprocrighttype:i amprocnum:i amproc:i",
    "pg_authid": "oid:i rolname:t",
    "pg_available_extensions": "name:t default_version:t installed_version:t comment:t",
    "pg_available_extension_versions": "name:t version:t installed:b superuser:b relocatable:b schema:t requires:T",
    "pg_cursors": "name:t statement:t is_holdable:b is_binary:b is_scrollable:b creation_time:t",
    "pg_db_role_setting": "setdatabase:i setrole:i setconfig:T",
    "pg_foreign_data_wrapper": "oid:i fdwname:t fdwowner:i fdwhandler:i fdwvalidator:i fdwacl:T fdwoptions:T",
    "pg_group": "groname:t grosysid:i grolist:I",
    "pg_indexes": "schemaname:t tablename:t indexname:t tablespace:t indexdef:t",
    "pg_opfamily": "oid:i opfmethod:i opfname:t opfnamespace:i opfowner:i",
    "pg_prepared_statements": "name:t statement:t prepare_time:t parameter_types:T from_sql:b",
    "pg_replication_slots": "slot_name:t plugin:t slot_type:t datoid:i database:t active:b",
    "pg_rules": "schemaname:t tablename:t rulename:t definition:t",
    "pg_sequences": "schemaname:t sequencename:t sequenceowner:t data_type:t start_value:i last_value:i",
    "pg_stat_user_tables": "relid:i schemaname:t relname:t seq_scan:i idx_scan:i n_live_tup:i n_dead_tup:i",
    "pg_stat_replication": "pid:i usename:t application_name:t state:t",
    "pg_subscription": "oid:i subdbid:i subname:t subowner:i subenabled:b subconninfo:t",
    "pg_stat_ssl": "pid:i ssl:b version:t cipher:t bits:i client_dn:t",
    "pg_timezone_abbrevs": "abbrev:t utc_offset:t is_dst:b",
    "pg_timezone_names": "name:t abbrev:t utc_offset:t is_dst:b",
    "pg_ts_config": "oid:i cfgname:t cfgnamespace:i cfgowner:i cfgparser:i",
    "pg_ts_dict": "oid:i dictname:t dictnamespace:i dictowner:i dicttemplate:i dictinitoption:t",
    "pg_ts_parser": "oid:i prsname:t prsnamespace:i",
    "pg_ts_template": "oid:i tmplname:t tmplnamespace:i",
    "pg_user_mapping": "oid:i umuser:i umserver:i umoptions:T",
    "pg_user_mappings": "umid:i srvid:i srvname:t umuser:i usename:t umoptions:T",
}
#: Tables that have no row for anybody who asks for them.
EMPTY = frozenset(_EMPTY_COLUMNS)
RELATIONS |= {name: Relation(columns, list) for name, columns in _EMPTY_COLUMNS.items()}
#: By this one Npgsql tells arrays, in an outer join; who asks for functions is told that there are none.
_ARRAY_RECEIVE = (2400, "array_recv", _CATALOG_OID, _ROLE_OID, "f", "2281 26 23", 2277, 12, False)
RELATIONS["pg_proc"] = Relation(_EMPTY_COLUMNS["pg_proc"], lambda: [_ARRAY_RECEIVE])
