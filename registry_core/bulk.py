"""Inserting many small rows at once, by the driver's own `executemany`.

SQLAlchemy puts the parameters of each row together anew, which costs several times what inserting
the row does. Here that is done once for each dialect: the text, the order of the parameters, and
what their types make of a value.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Dialect, Insert
    from sqlalchemy.ext.asyncio import AsyncConnection

    Row = Sequence[Any]
    Prepared = tuple[str, Callable[[Row], Any]]


class Bulk:
    """One insert, to be run with many rows; `names` are those of its parameters, in their order."""

    def __init__(self, statement: Insert, names: Sequence[str]) -> None:
        self._statement = statement
        self._names = list(names)
        self._prepared: dict[str, Prepared] = {}

    async def run(self, connection: AsyncConnection, rows: Sequence[Row]) -> None:
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
        fixed = {k: v for k, v in compiled.params.items() if k not in self._names}
        names = [*self._names, *fixed]
        made = [
            (at, process)
            for at, name in enumerate(names)
            if (process := compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
        ]

        def values(row: Row) -> list[Any]:
            found = [*row, *fixed.values()]
            for at, process in made:
                found[at] = process(found[at])
            return found

        if compiled.positiontup is None:
            return compiled.string, lambda row: dict(zip(names, values(row), strict=True))
        order = itemgetter(*map(names.index, compiled.positiontup))
        return compiled.string, lambda row: order(values(row))
