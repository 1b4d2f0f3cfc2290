"""Inserting many small rows at once, by the driver's own `executemany`.

SQLAlchemy puts the parameters of each row together anew, which costs several times what inserting
the row does. Here that is done once for each dialect: the text, the order of the parameters, and
what their types make of a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Dialect, Insert
    from sqlalchemy.ext.asyncio import AsyncConnection

    Prepared = tuple[str, Callable[[Mapping[str, Any]], Any]]


class Bulk:
    """One insert, to be run with many rows; `names` are those of its parameters in a row."""

    def __init__(self, statement: Insert, names: Sequence[str]) -> None:
        self._statement = statement
        self._names = list(names)
        self._prepared: dict[str, Prepared] = {}

    async def run(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows, in their order, in the transaction of `connection`."""
        if not rows:
            return
        name = connection.dialect.name
        if name not in self._prepared:
            self._prepared[name] = self._prepare(connection.dialect)
        text, parameters = self._prepared[name]
        await connection.exec_driver_sql(text, [parameters(row) for row in rows])

    def _prepare(self, dialect: Dialect) -> Prepared:
        compiled: Any = self._statement.compile(dialect=dialect, column_keys=self._names)
        fixed: dict[str, Any] = {k: v for k, v in compiled.params.items() if v is not None}
        processors = {
            name: process
            for name, parameter in compiled.binds.items()
            if (process := parameter.type.dialect_impl(dialect).bind_processor(dialect))
        }

        def named(row: Mapping[str, Any]) -> dict[str, Any]:
            values = {**fixed, **row}
            for name, process in processors.items():
                values[name] = process(values[name])
            return values

        order = compiled.positiontup
        if order is None:
            return compiled.string, named
        return compiled.string, lambda row: tuple(map(named(row).__getitem__, order))
