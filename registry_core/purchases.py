"""Prices, and who has bought what.

An owner sets a price; from then on the content of the package is for its own people, for reviewers
and for who has bought it. What it says of itself stays readable by all: description, tags, files by
name, README.md, reports. Whoever takes the money tells of it (`registry_core.stripe`), each event
counts once, and a refund ends what the purchase began, in whatever order the two are told.

A package is bought for a namespace: whoever may read what is private there has it, by a token, a
session or a team. A buyer who named none is known by an address, and it is bought for the account
that has this address, also if that comes later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, func, insert, or_, select, update

from registry_core import stripe
from registry_core.callers import Caller, Scope
from registry_core.errors import Invalid, NotFound, PaymentRequired
from registry_core.events.kinds import EventKind
from registry_core.names import PackageName
from registry_core.packages.store import about, changeable, load
from registry_core.schema import accounts, namespaces, packages, payment_events, purchases

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from registry_core.events.journal import Journal
    from registry_core.packages import Package, Price, Summary
    from registry_core.stripe import Bought, Refunded, Shop


_TOLD = Caller(name="stripe")
"""Who says that somebody has paid."""


class Purchases:
    """The prices and purchases of one registry."""

    def __init__(self, journal: Journal, shop: Shop) -> None:
        self._journal = journal
        self._shop = shop

    async def ask(self, name: PackageName, price: Price | None, caller: Caller) -> Package:
        """Let a package cost something, or be free. Raises NotFound, Forbidden, Invalid."""
        if price is not None and not self._shop.buy_url:
            raise Invalid("nobody could buy it here", hint="CTXMCP_BUY_URL says where one buys.")
        values: dict[str, Any] = {"amount_cents": None, "currency": None}
        if price is not None:
            values = {"amount_cents": price.amount_cents, "currency": price.currency}

        async def work(connection: AsyncConnection) -> Package:
            package = await changeable(connection, name, caller, _sells)
            if package.price == price:
                return package
            await connection.execute(
                update(packages)
                .where(packages.c.id == package.id)
                .values(price_cents=values["amount_cents"], currency=values["currency"])
            )
            draft = about(package, EventKind.PRICE_CHANGED, caller, values)
            await self._journal.append(connection, draft)
            return await changeable(connection, name, caller, _sells)

        return await self._journal.write(work)

    async def admit(self, package: Summary, caller: Caller) -> None:
        """Raise PaymentRequired for whoever may not have the content of a package."""
        if package.price is None or await self._has(package, caller):
            return
        # The name of who acts for an account ends with its handle.
        account = caller.name.partition(":")[2] if caller.account else ""
        url = self._shop.url(package.name, account)
        raise PaymentRequired(
            f"{package.name} costs {package.price}",
            buy_url=url,
            hint=f"Buy it at {url} and ask with a token of yours." if url else "",
        )

    async def _has(self, package: Summary, caller: Caller) -> bool:
        if caller.may(Scope.READ, package.name.namespace) or caller.has(Scope.REVIEW):
            return True
        if not caller.readable:
            return False
        mine = select(func.lower(accounts.c.email)).where(accounts.c.handle.in_(caller.readable))
        statement = select(
            exists()
            .where(purchases.c.package_id == package.id, purchases.c.refunded_at.is_(None))
            .where(or_(purchases.c.namespace.in_(caller.readable), purchases.c.email.in_(mine)))
        )
        async with self._journal.database.read() as connection:
            return bool((await connection.execute(statement)).scalar_one())

    async def hear(self, body: bytes, signature: str) -> str:
        """Take an event over; return what became of it: bought, refunded, repeated or ignored.

        Raises Unauthenticated where it is not signed, Invalid for no event, NotFound for a package
        or a buyer that is not there (yet: it is sent again).
        """
        stripe.check(body, signature, self._shop.secret, self._journal.now())
        event = stripe.read(body)
        if event is None:
            return "ignored"
        outcome = "refunded" if isinstance(event, stripe.Refunded) else "bought"

        async def work(connection: AsyncConnection) -> str:
            if await _one(connection, payment_events.c.id == event.event):
                return "repeated"
            now = self._journal.now()
            seen = {"id": event.event, "payment": event.payment, "outcome": outcome, "at": now}
            await connection.execute(insert(payment_events).values(seen))
            if isinstance(event, stripe.Refunded):
                await self._refund(connection, event, now)
            else:
                await self._buy(connection, event, now)
            return outcome

        return await self._journal.write(work)

    async def _buy(self, connection: AsyncConnection, bought: Bought, now: datetime) -> None:
        package = await load(connection, PackageName.parse(bought.package))
        if package is None:
            raise NotFound(f"no package {bought.package}")
        buyer = await _buyer(connection, bought)
        if await _one(connection, purchases.c.payment == bought.payment):
            return  # another event of the same payment
        went_back = payment_events.c.payment == bought.payment
        went_back &= payment_events.c.outcome == "refunded"
        row = {
            "payment": bought.payment,
            "package_id": package.id,
            **buyer,
            "amount_cents": bought.amount_cents,
            "currency": bought.currency,
            "bought_at": now,
            "refunded_at": now if await _one(connection, went_back) else None,
        }
        await connection.execute(insert(purchases).values(row))
        await self._tell(connection, package, EventKind.PACKAGE_BOUGHT, buyer["namespace"])

    async def _refund(self, connection: AsyncConnection, refunded: Refunded, now: datetime) -> None:
        mine = purchases.c.payment == refunded.payment
        done = await connection.execute(
            update(purchases)
            .where(mine, purchases.c.refunded_at.is_(None))
            .values(refunded_at=now)
            .returning(purchases.c.package_id, purchases.c.namespace)
        )
        row = done.one_or_none()
        if row is None:
            return
        where = select(packages.c.namespace, packages.c.name).where(packages.c.id == row.package_id)
        package = await load(connection, PackageName(*(await connection.execute(where)).one()))
        assert package is not None  # noqa: S101 - packages are never deleted
        await self._tell(connection, package, EventKind.PACKAGE_REFUNDED, row.namespace)

    async def _tell(
        self,
        connection: AsyncConnection,
        package: Package,
        kind: EventKind,
        buyer: str | None,
    ) -> None:
        """Tell the package's own people, and nobody else, who buys what."""
        draft = about(package, kind, _TOLD, {"buyer": buyer}, private=True)
        await self._journal.append(connection, draft)


def _sells(caller: Caller, namespace: str) -> bool:
    return caller.may(Scope.PUBLISH, namespace)


async def _buyer(connection: AsyncConnection, bought: Bought) -> dict[str, str | None]:
    """Say for whom something is bought."""
    wanted = bought.reference.removeprefix("@").lower()
    if wanted and await _one(connection, namespaces.c.name == wanted):
        return {"namespace": wanted, "email": None}
    if not bought.email:
        raise NotFound(f"{bought.payment} does not say who has paid")
    return {"namespace": None, "email": bought.email}


async def _one(connection: AsyncConnection, which: ColumnElement[bool]) -> bool:
    return bool((await connection.execute(select(exists().where(which)))).scalar_one())
