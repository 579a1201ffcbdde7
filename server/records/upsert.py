"""Writes a row, or changes the one of its job: compiled once, as that takes longer than writing."""

from sqlalchemy import Dialect
from sqlalchemy.dialects import postgresql, sqlite

from server.records.record import Row
from server.records.table import jobs


class Upsert:
    """The statement in the words of one database; what is known of a later revision stays."""

    def __init__(self, dialect: Dialect) -> None:
        insert = postgresql.insert(jobs) if dialect.name == "postgresql" else sqlite.insert(jobs)
        changed = {
            column.name: insert.excluded[column.name]
            for column in jobs.columns
            if not column.primary_key
        }
        statement = insert.on_conflict_do_update(
            index_elements=[jobs.c.id],
            set_=changed,
            where=insert.excluded.revision > jobs.c.revision,
        )
        columns = {column.name: column for column in jobs.columns}
        compiled = statement.compile(dialect=dialect, column_keys=list(columns))
        self.sql = str(compiled)
        """For the driver, with a place for each of `values`."""
        order = compiled.positiontup or list(columns)
        self._places = [
            (name, columns[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in order
        ]

    def values(self, row: Row) -> tuple[object, ...]:
        """A row as the driver takes it."""
        return tuple(
            row[name] if written is None else written(row[name]) for name, written in self._places
        )
