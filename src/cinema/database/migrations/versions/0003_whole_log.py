"""Let the log of changes tell of every change, and know who has read it how far.

Theory. On SQLite a row that REPLACE puts out of the way is deleted without a trigger, unless the connection has asked
for `recursive_triggers`. So before a row comes or changes, the triggers of this revision write down what it would
replace: a genre by its name, a link by its id. What is replaced by a row of the same id, or by a link of the same ends,
is in the log by that row itself; and if the row does not come after all, one entity is read once too often.
On PostgreSQL triggers hold still in a session that replicates or restores (`session_replication_role`), unless they are
said to fire always. Two subscribers of one publication must not both write the log: leave `change_log` out of it.

`change_log_mark` holds how far each reader of the log has come, `change_log_pruned` up to where rows have been taken
away. A log that was pruned before this revision lacks what is before its oldest row.
"""

# ruff: noqa: S608 - every name in these statements is written here
import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

SCHEMA = "content"
ENTITIES = ("film_work", "genre", "person")
LINKS = {"genre_film_work": "genre", "person_film_work": "person"}


def upgrade() -> None:
    """Create the tables, and complete the triggers."""
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    instant = sa.Text() if on_sqlite else sa.DateTime(timezone=True)
    _create_marks(instant)
    _note_what_was_pruned("0" if on_sqlite else "tx::text::bigint", "" if on_sqlite else f"{SCHEMA}.")
    for statement in _sqlite_triggers() if on_sqlite else _triggers_that_fire("ENABLE ALWAYS"):
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """Drop the tables, and what this revision has added to the triggers."""
    for name in ("change_log_mark", "change_log_pruned"):
        op.drop_table(name, schema=SCHEMA)
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    tables = ("genre", *LINKS)
    drop = [
        f"DROP TRIGGER log_{table}_{event}" for table in tables for event in ("replace", "replace_update")
    ]
    for statement in drop if on_sqlite else _triggers_that_fire("ENABLE"):
        op.get_bind().exec_driver_sql(statement)


def _create_marks(instant: sa.Text | sa.DateTime) -> None:
    place = (
        sa.Column("tx", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
    )
    op.create_table(
        "change_log_mark",
        sa.Column("consumer", sa.Text, nullable=False),
        sa.Column("marked_at", instant, nullable=False),
        *(column.copy() for column in place),
        sa.PrimaryKeyConstraint("consumer", name="pk_change_log_mark"),
        schema=SCHEMA,
    )
    op.create_table(
        "change_log_pruned",
        *(column.copy() for column in place),
        sa.PrimaryKeyConstraint("tx", "seq", name="pk_change_log_pruned"),
        schema=SCHEMA,
    )


def _note_what_was_pruned(tx: str, schema: str) -> None:
    op.get_bind().exec_driver_sql(
        f"INSERT INTO {schema}change_log_pruned (tx, seq) SELECT {tx}, seq - 1 FROM {schema}change_log "
        f"WHERE entity <> 'source' ORDER BY {'tx, ' if schema else ''}seq LIMIT 1"
    )


def _sqlite_triggers() -> list[str]:
    same_name = "SELECT 'genre', id, 'delete' FROM genre WHERE name = NEW.name AND id <> {}.id"
    triggers = [
        _before("INSERT", "genre", "replace", same_name.format("NEW")),
        _before("UPDATE OF name", "genre", "replace_update", same_name.format("OLD")),
    ]
    for table, end in LINKS.items():
        parts = [_ends(table, entity, "{}") for entity in ("film_work", end)]
        ends = " UNION ALL ".join(parts)
        others = f"(film_work_id <> NEW.film_work_id OR {end}_id <> NEW.{end}_id)"
        triggers += [
            _before("INSERT", table, "replace", ends.format(others, others)),
            _before(
                "UPDATE", table, "replace_update", ends.format("rowid <> OLD.rowid", "rowid <> OLD.rowid")
            ),
        ]
    return triggers


def _ends(table: str, entity: str, condition: str) -> str:
    # A statement may name the rowid of a link as well, and replaces by that.
    return (
        f"SELECT '{entity}', {entity}_id, 'link' FROM {table} "
        f"WHERE (id = NEW.id OR rowid = NEW.rowid) AND {condition}"
    )


def _before(event: str, table: str, name: str, replaced: str) -> str:
    return (
        f"CREATE TRIGGER log_{table}_{name} BEFORE {event} ON {table} "
        f"BEGIN INSERT INTO change_log (entity, entity_id, op) {replaced}; END"
    )


def _triggers_that_fire(when: str) -> list[str]:
    functions = dict.fromkeys(ENTITIES, "log_entity") | {
        table: f"log_{end}_link" for table, end in LINKS.items()
    }
    return [
        f"ALTER TABLE {SCHEMA}.{table} {when} TRIGGER {name}_of_{table}"
        for table, function in functions.items()
        for name in (function, "log_truncate")
    ]
