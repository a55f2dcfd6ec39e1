"""The calls that the sink makes, each as small as DynamoDB allows and none repeated without progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from hlmon import HlmonError, Transient
from hlmon_dynamodb.errors import RENEWED_BY_READING_AGAIN, code_of, fault_of, when_proving, when_writing
from hlmon_dynamodb.items import Item
from hlmon_dynamodb.tables import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LARGEST_GET: Final = 100
LARGEST_WRITE: Final = 25
_NEWEST_WINS: Final = "attribute_not_exists(version) OR version < :version"
_NEVER: Final = "attribute_exists(kind) AND attribute_not_exists(kind)"

Address = tuple[str, str, str]
"""Table, partition and sort value of an item."""

Translate = Callable[..., HlmonError]
_T = TypeVar("_T")


class Store:
    """The tables of one prefix. `connect` makes a client; it is called again when the credentials are refused."""

    def __init__(self, connect: Callable[[], DynamoDBClient], *, place: str, prefix: str, names: str) -> None:
        self._connect = connect
        self._client: DynamoDBClient | None = None
        self._place = place
        self._prefix = prefix
        self._names = names

    @contextmanager
    def translating(self, translate: Translate = when_writing) -> Iterator[None]:
        """Every error of the client becomes one of hlmon's."""
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            if fault_of(error) in RENEWED_BY_READING_AGAIN:
                self.close()
            raise translate(error, place=self._place, names=self._names) from error

    def close(self) -> None:
        """Let go of the client and its sockets; the next call makes a new one."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def address(self, table: Table, key: Item) -> Address:
        """What tells an item from all others."""
        return (self._prefix + table.name, *(_value_of(key[name]) for name in table.key_names))  # type: ignore[return-value]

    def held(self, keys: Iterable[tuple[Table, Item]]) -> set[Address]:
        """Which of these items are there now."""
        found: set[Address] = set()
        for chunk in _chunks(list(keys), LARGEST_GET):
            tables = {self._prefix + table.name: table for table, _ in chunk}
            wanted = {
                name: _look_up(table, [key for of, key in chunk if of is table]) for name, table in tables.items()
            }
            while wanted:
                answer = self._call("batch_get_item", RequestItems=wanted)
                items = [
                    (tables[name], item) for name, found_here in answer["Responses"].items() for item in found_here
                ]
                found.update(self.address(table, item) for table, item in items)
                wanted = self._rest(wanted, answer["UnprocessedKeys"], lambda part: len(part["Keys"]))
        return found

    def put(self, items: Iterable[tuple[Table, Item]]) -> Iterator[Address]:
        """Write the items, whatever was there; yields what is stored, as far as it came before an error."""
        wanted = {self.address(table, item): (table, {"PutRequest": {"Item": item}}) for table, item in items}
        for chunk in _chunks(list(wanted), LARGEST_WRITE):
            open_ = set(chunk)
            for left in self._write([wanted[address] for address in chunk]):
                yield from open_ - left
                open_ &= left

    def put_newest(self, table: Table, item: Item) -> None:
        """Write the item unless one of the same or a larger `version` is there."""
        self._put_if(table, item, _NEWEST_WINS, {":version": item["version"]})

    def series(self, table: Table, name: str) -> Iterator[Item]:
        """All items of one partition, by their sort key."""
        page: dict[str, Any] = {}
        while True:
            answer = self._call(
                "query",
                TableName=self._prefix + table.name,
                KeyConditionExpression="#partition = :name",
                ExpressionAttributeNames={"#partition": table.partition.name},
                ExpressionAttributeValues={":name": {table.partition.type: name}},
                ConsistentRead=True,
                **page,
            )
            yield from answer["Items"]
            if not answer.get("LastEvaluatedKey"):
                return
            page = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def prove(self, tables: Iterable[Table]) -> None:
        """Look up, write and query as real work does, and change nothing."""
        for table in tables:
            key: Item = {part.name: {part.type: "0"} for part in (table.partition, table.sort)}
            if table.holds_facts:
                self.held([(table, key)])
                list(self._write([(table, {"DeleteRequest": {"Key": key}})]))
            if table.holds_states:
                self._put_if(table, key, _NEVER)

    def suspect(self, tables: Iterable[Table]) -> None:
        """Raise Transient if one of these refuses what every table of hlmon takes: then no event is to blame."""
        with self.translating(when_proving):
            self.prove({table.name: table for table in tables}.values())

    def _put_if(self, table: Table, item: Item, condition: str, values: Item | None = None) -> None:
        given = {"ExpressionAttributeValues": values} if values else {}
        try:
            self._call(
                "put_item", TableName=self._prefix + table.name, Item=item, ConditionExpression=condition, **given
            )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise

    def _write(self, requests: Sequence[tuple[Table, Any]]) -> Iterator[set[Address]]:
        """One batch, again with what DynamoDB left of it; yields what is left after each call."""
        tables = {self._prefix + table.name: table for table, _ in requests}
        wanted: dict[str, list[Any]] = {}
        for table, request in requests:
            wanted.setdefault(self._prefix + table.name, []).append(request)
        while wanted:
            answer = self._call("batch_write_item", RequestItems=wanted)
            left = answer["UnprocessedItems"]
            yield {self.address(tables[name], _key_in(one)) for name, ones in left.items() for one in ones}
            wanted = self._rest(wanted, left, len)

    def _rest(self, wanted: Mapping[str, _T], left: Mapping[str, _T], size: Callable[[_T], int]) -> dict[str, _T]:
        """What DynamoDB left undone, to be asked for at once; Transient if it did nothing, since it needs a rest."""
        if left and sum(map(size, left.values())) >= sum(map(size, wanted.values())):
            raise Transient(f"DynamoDB in {self._place} asks for fewer requests (it left all of a batch undone)")
        return dict(left)

    def _call(self, operation: str, **arguments: Any) -> Any:
        if self._client is None:
            self._client = self._connect()
        answer = getattr(self._client, operation)(**arguments)
        for part in _WHOLE_ANSWERS[operation]:
            if part not in answer:
                raise Transient(f"half an answer came from DynamoDB in {self._place}")
        return answer


_WHOLE_ANSWERS: Final = {
    "batch_get_item": ("Responses", "UnprocessedKeys"),
    "batch_write_item": ("UnprocessedItems",),
    "put_item": (),
    "query": ("Items",),
}
"""What an answer must have; without it nobody knows what was done."""


def _look_up(table: Table, keys: list[Item]) -> dict[str, Any]:
    """A question for these items that is answered with their keys alone."""
    names = {f"#{number}": name for number, name in enumerate(table.key_names)}
    return {
        "Keys": keys,
        "ConsistentRead": True,
        "ProjectionExpression": ", ".join(names),
        "ExpressionAttributeNames": names,
    }


def _key_in(request: Mapping[str, Any]) -> Item:
    """What names the item of one request of a batch."""
    return request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"]  # type: ignore[no-any-return]


def _value_of(attribute: Mapping[str, Any]) -> str:
    (value,) = attribute.values()
    return str(value)


def _chunks(values: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
