"""Inserting many small rows at once, by the driver's own `executemany`.

SQLAlchemy puts the parameters of each row together anew, which costs several times what inserting
the row does. Here that is done once for each dialect: the text, the order of the parameters, and
what their types make of a value. Values are made ready a column at a time.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Dialect, Insert
    from sqlalchemy.ext.asyncio import AsyncConnection

    Row = Sequence[Any]
    Prepared = tuple[str, Callable[[Sequence[Row]], list[Any]]]


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
        await connection.exec_driver_sql(text, parameters(rows))

    def _prepare(self, dialect: Dialect) -> Prepared:
        compiled: Any = self._statement.compile(dialect=dialect, column_keys=self._names)
        fixed = {k: v for k, v in compiled.params.items() if k not in self._names}
        made = {
            name: process
            for name in compiled.params
            if (process := compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
        }

        def columns(rows: Sequence[Row]) -> dict[str, Iterable[Any]]:
            found = dict(zip(self._names, zip(*rows, strict=True), strict=True))
            found |= {name: repeat(value, len(rows)) for name, value in fixed.items()}
            return found | {name: _made(made[name], found[name]) for name in made}

        def by_name(rows: Sequence[Row]) -> list[Any]:
            found = columns(rows)
            return [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]

        def by_place(rows: Sequence[Row]) -> list[Any]:
            found = columns(rows)
            return list(zip(*(found[name] for name in order), strict=True))

        order = compiled.positiontup
        return compiled.string, by_place if order else by_name


def _made(process: Callable[[Any], Any], column: Iterable[Any]) -> list[Any]:
    """Make values ready; the very same one, which many rows share, once."""
    known: dict[int, Any] = {}
    for value in (values := list(column)):
        if id(value) not in known:
            known[id(value)] = process(value)
    return [known[id(value)] for value in values]
