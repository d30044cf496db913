"""What every table shares: the metadata, the id type and instants in UTC."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    DateTime,
    Dialect,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import JSON, TypeDecorator

# SQLite only numbers rows by itself in an INTEGER PRIMARY KEY.
Id = BigInteger().with_variant(Integer(), "sqlite")
Json = JSON().with_variant(sqlite.JSON(), "sqlite")


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC on every database; a naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """All tables of uamail."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        datetime: Instant(),
        bytes: LargeBinary(),
        dict[str, Any]: Json,
        list[str]: Json,
    }

    id: Mapped[int] = mapped_column(Id, primary_key=True, sort_order=-1)


def table_of(model: type[Base]) -> Table:
    """The table of a model, for statements past the ORM."""
    return cast(Table, model.__table__)


def one_of(column: str, values: tuple[str, ...], *, nullable: bool = False) -> CheckConstraint:
    """A CHECK that `column` holds one of `values`: the legal words stand in the schema.

    As a chain of comparisons: SQLite looks an IN list up in a tree, for every row.
    """
    listed = " OR ".join([*([f"{column} IS NULL"] if nullable else []), *(f"{column} = '{value}'" for value in values)])
    return CheckConstraint(listed, name=f"{column}_legal")


def insert_missing(session: Session, table: type[Base]) -> Any:
    """An INSERT that leaves a row alone when one with the same unique key is there (ON CONFLICT DO NOTHING)."""
    make = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    return make(table).on_conflict_do_nothing()


def among(column: Any, dialect: str) -> ColumnElement[bool]:
    """`column` is one of the parameter `ids`, in one bound value: the statement is the same for any number of them."""
    if dialect == "postgresql":
        return cast(ColumnElement[bool], column == func.any(bindparam("ids", type_=postgresql.ARRAY(BigInteger))))
    listed = select(func.json_each(bindparam("ids")).table_valued("value").c.value)
    return cast(ColumnElement[bool], column.in_(listed))


def ids_value(session: Session, ids: Sequence[int]) -> Any:
    """What `among` binds."""
    return list(ids) if session.get_bind().dialect.name == "postgresql" else json.dumps(list(ids))
