"""Create the catalogue: films, genres, persons, the links between them, and the log of what changes.

Theory of the log. Triggers write down which entity is to be read again, so that changes by any program are seen: an
entity's own row by its name, a link by both of its ends (`op` is `link`). A row with the entity `source` says that
the log does not tell all: the tables were loaded anew, or emptied. Its id is new each time, so that whoever reads the
log knows a database that was put in the place of another.
On PostgreSQL numbers are given before a transaction commits, so a smaller one may become visible after a larger one.
`tx` is the writing transaction: a reader takes rows below `pg_snapshot_xmin(pg_current_snapshot())`, of which
none can come any more, in the order (`tx`, `seq`). SQLite has one writer and needs none of that.
Loads that are followed by a full rebuild keep the log short: on PostgreSQL the triggers hold still in a
transaction with `SET LOCAL cinema.bulk = 'on'`; on SQLite the load drops and restores them.
"""

# ruff: noqa: S608 - every name in these statements is written here
from typing import Any, TypeAlias

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

SCHEMA = "content"
ENTITIES = ("film_work", "genre", "person")
Kind: TypeAlias = sa.Text | sa.Uuid[Any] | sa.DateTime
LINKS = {"genre_film_work": "genre", "person_film_work": "person"}


def upgrade() -> None:
    """Create tables, indexes and triggers."""
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    key = sa.Text() if on_sqlite else sa.Uuid()
    instant = sa.Text() if on_sqlite else sa.DateTime(timezone=True)
    _create_entities(key, instant)
    _create_links(key, instant)
    if on_sqlite:
        _create_log(instant, sa.Integer(), sa.text("(strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'))"))
        statements = _sqlite_triggers()
    else:
        _create_log(instant, sa.BigInteger(), sa.text("clock_timestamp()"), sa.Identity())
        statements = _postgres_triggers()
    for statement in statements:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """Drop the tables; on PostgreSQL also what the triggers run."""
    for name in ("change_log", *LINKS, *ENTITIES):
        op.drop_table(name, schema=SCHEMA)
    if op.get_bind().dialect.name == "postgresql":
        for name in ("log_entity", "log_genre_link", "log_person_link", "log_truncate"):
            op.execute(f"DROP FUNCTION {SCHEMA}.{name}()")


# On SQLite entities are clustered by their ids: links are joined to them by the million, and that is one step then.
def _create_entities(key: Kind, instant: Kind) -> None:
    when = (sa.Column("created", instant, nullable=False), sa.Column("modified", instant, nullable=False))
    op.create_table(
        "film_work",
        sa.Column("id", key),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("creation_date", sa.Date),
        sa.Column("rating", sa.Double),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("certificate", sa.Text),
        sa.Column("file_path", sa.Text),
        *(column.copy() for column in when),
        sa.PrimaryKeyConstraint("id", name="pk_film_work"),
        sa.CheckConstraint("rating BETWEEN 0 AND 10", name="ck_film_work_rating"),
        sa.CheckConstraint("type IN ('movie', 'tv_show')", name="ck_film_work_type"),
        schema=SCHEMA,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_film_work_creation_date", "film_work", ["creation_date"], schema=SCHEMA)
    op.create_table(
        "genre",
        sa.Column("id", key),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        *(column.copy() for column in when),
        sa.PrimaryKeyConstraint("id", name="pk_genre"),
        sa.UniqueConstraint("name", name="uq_genre_name"),
        schema=SCHEMA,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "person",
        sa.Column("id", key),
        sa.Column("full_name", sa.Text, nullable=False),
        *(column.copy() for column in when),
        sa.PrimaryKeyConstraint("id", name="pk_person"),
        schema=SCHEMA,
        sqlite_with_rowid=False,
    )
    for name in ENTITIES:
        op.create_index(f"ix_{name}_modified", name, ["modified", "id"], schema=SCHEMA)


def _create_links(key: Kind, instant: Kind) -> None:
    for name, end in LINKS.items():
        role = [sa.Column("role", sa.Text, nullable=False)] if end == "person" else []
        roles = [column.name for column in role]
        checks = [
            sa.CheckConstraint("role IN ('actor', 'director', 'writer')", name=f"ck_{name}_role")
            for _ in role
        ]
        op.create_table(
            name,
            sa.Column("id", key),
            sa.Column(f"{end}_id", key, nullable=False),
            sa.Column("film_work_id", key, nullable=False),
            *role,
            sa.Column("created", instant, nullable=False),
            sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
            sa.UniqueConstraint("film_work_id", f"{end}_id", *roles, name=f"uq_{name}_film_work_id"),
            *checks,
            *(
                sa.ForeignKeyConstraint(
                    [f"{parent}_id"],
                    [f"{SCHEMA}.{parent}.id"],
                    name=f"fk_{name}_{parent}_id",
                    ondelete="CASCADE",
                )
                for parent in (end, "film_work")
            ),
            schema=SCHEMA,
        )
        op.create_index(f"ix_{name}_{end}_id", name, [f"{end}_id", "film_work_id", *roles], schema=SCHEMA)


def _create_log(
    instant: Kind,
    serial: sa.Integer,
    now: sa.TextClause,
    *identity: sa.Identity,
) -> None:
    on_sqlite = not identity
    op.create_table(
        "change_log",
        sa.Column("seq", serial, *identity),
        sa.Column("entity", sa.Text, nullable=False),
        sa.Column("entity_id", sa.Text, nullable=False),
        sa.Column("op", sa.Text, nullable=False),
        sa.Column("changed_at", instant, nullable=False, server_default=now),
        sa.PrimaryKeyConstraint("seq", name="pk_change_log"),
        schema=SCHEMA,
        sqlite_autoincrement=True,  # a number is never given twice, even after the newest rows are gone
    )
    if not on_sqlite:
        op.execute(
            f"ALTER TABLE {SCHEMA}.change_log ADD COLUMN tx xid8 NOT NULL DEFAULT pg_current_xact_id()"
        )
        op.create_index("ix_change_log_tx", "change_log", ["tx", "seq"], schema=SCHEMA)


# --- SQLite -------------------------------------------------------------------------------------------------


def _sqlite_triggers() -> list[str]:
    triggers = [
        "INSERT INTO change_log (entity, entity_id, op) VALUES ('source', lower(hex(randomblob(16))), 'begin')"
    ]
    for table in ENTITIES:
        triggers += [
            _sqlite_trigger(table, "INSERT", [(table, "NEW.id", "insert")]),
            _sqlite_trigger(table, "UPDATE", [(table, "NEW.id", "update")]),
            _sqlite_trigger(table, "DELETE", [(table, "OLD.id", "delete")]),
            _sqlite_trigger(
                table, "UPDATE OF id", [(table, "OLD.id", "delete")], "OLD.id <> NEW.id", "rename"
            ),
        ]
    for table, end in LINKS.items():
        for event, rows in (("INSERT", ["NEW"]), ("DELETE", ["OLD"]), ("UPDATE", ["OLD", "NEW"])):
            ends = [(entity, f"{row}.{entity}_id", "link") for row in rows for entity in ("film_work", end)]
            triggers.append(_sqlite_trigger(table, event, ends))
    return triggers


def _sqlite_trigger(
    table: str, event: str, rows: list[tuple[str, str, str]], condition: str = "", name: str = ""
) -> str:
    values = ", ".join(f"('{entity}', {entity_id}, '{done}')" for entity, entity_id, done in rows)
    when = f"WHEN {condition} " if condition else ""
    return (
        f"CREATE TRIGGER log_{table}_{name or event.lower()} AFTER {event} ON {table} {when}"
        f"BEGIN INSERT INTO change_log (entity, entity_id, op) VALUES {values}; END"
    )


# --- PostgreSQL ---------------------------------------------------------------------------------------------


def _postgres_triggers() -> list[str]:
    log = f"{SCHEMA}.change_log (entity, entity_id, op)"
    statements = [
        f"INSERT INTO {log} VALUES ('source', gen_random_uuid(), 'begin')",
        _function(
            "log_entity",
            f"""
            IF TG_OP <> 'INSERT' AND (TG_OP = 'DELETE' OR OLD.id <> NEW.id) THEN
                INSERT INTO {log} VALUES (TG_TABLE_NAME, OLD.id, 'delete');
            END IF;
            IF TG_OP <> 'DELETE' THEN
                INSERT INTO {log} VALUES (TG_TABLE_NAME, NEW.id, lower(TG_OP));
            END IF;
            """,
        ),
        _function("log_truncate", f"INSERT INTO {log} VALUES ('source', gen_random_uuid(), 'reload');"),
    ]
    statements += [_trigger(table, "log_entity", "INSERT OR UPDATE OR DELETE", "ROW") for table in ENTITIES]
    for table, end in LINKS.items():
        both = "('film_work', {0}.film_work_id, 'link'), ('{1}', {0}.{1}_id, 'link')"
        statements += [
            _function(
                f"log_{end}_link",
                f"""
                IF TG_OP <> 'INSERT' THEN
                    INSERT INTO {log} VALUES {both.format("OLD", end)};
                END IF;
                IF TG_OP <> 'DELETE' THEN
                    INSERT INTO {log} VALUES {both.format("NEW", end)};
                END IF;
                """,
            ),
            _trigger(table, f"log_{end}_link", "INSERT OR UPDATE OR DELETE", "ROW"),
        ]
    statements += [_trigger(table, "log_truncate", "TRUNCATE", "STATEMENT") for table in (*ENTITIES, *LINKS)]
    return statements


def _function(name: str, body: str) -> str:
    # With the rights of its owner: who may write films need not be allowed to write the log.
    return f"""
        CREATE FUNCTION {SCHEMA}.{name}() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            IF current_setting('cinema.bulk', true) = 'on' THEN RETURN NULL; END IF;
            {body}
            RETURN NULL;
        END $$
    """


def _trigger(table: str, function: str, events: str, each: str) -> str:
    return (
        f"CREATE TRIGGER {function}_of_{table} AFTER {events} ON {SCHEMA}.{table} "
        f"FOR EACH {each} EXECUTE FUNCTION {SCHEMA}.{function}()"
    )
