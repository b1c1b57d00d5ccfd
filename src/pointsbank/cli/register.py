"""`pointsbank register`: the city's stations, volunteers and delivered goods, from CSV files, into its books."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import click

from pointsbank.cli.acting import Shown, acting_options, who_acts
from pointsbank.cli.people_of import people_of
from pointsbank.cli.terminal import (
    PATIENT,
    Ending,
    as_coroutine,
    database_option,
    opened,
    policies_for,
    progress_bar,
    refusal_text,
    say,
)
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import Ledger, open_ledger
from pointsbank.ledger.model import Draft
from pointsbank.ledger.refusals import DocumentExists, Refusal
from pointsbank.market.postings import Delivery
from pointsbank.market.service import MarketService
from pointsbank.people.directory import Directory
from pointsbank.people.model import NewPerson
from pointsbank.people.refusals import PersonDataInvalid
from pointsbank.places.stations import PLACES, Station, opening, stations
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import local_day
from pointsbank.replay.dataset import DatasetError, Line, read_lines

CHUNK = 1000
CLIENT = "register"


@click.command("register", short_help="Stations, volunteers and goods from files 登记")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@acting_options
@database_option
@as_coroutine
async def command(folder: Path, shown: Shown, database_url: str) -> None:
    """Register what DIR holds of stations.csv, volunteers.csv and deliveries.csv. 登记。

    \b
    stations.csv    站点编码,名称,所编码,中心编码
    volunteers.csv  志愿者编号,姓名,出生日期,手机号,家庭编号,服务站
    deliveries.csv  入库单号,站点编码,商品编码,数量,捐赠方,保质期   (best before YYYY-MM-DD, or empty)

    Number, name, date of birth and phone go into the people store, encrypted; the books keep a random id. It may be
    run again with more lines: what is registered stays as it is.
    """
    if not any((folder / name).is_file() for name in ("stations.csv", "volunteers.csv", "deliveries.csv")):
        raise Ending(f"{folder} 中没有可登记的文件 / has no stations.csv, volunteers.csv or deliveries.csv")
    database = opened(database_url)
    try:
        async with open_ledger(database, limits=PATIENT) as ledger:
            await who_acts(ledger, "register", shown)
            with progress_bar() as show:
                done = 0
                for chunk in _chunks(folder / "stations.csv"):
                    done += await _post(ledger, [_station(line) for line in chunk], PLACES)
                    show("stations.csv", done, 0)
                say(f"stations.csv: {done:,} 条新登记 / newly registered")
                done = 0
                if (folder / "volunteers.csv").is_file():
                    async with people_of(ledger, database_url) as people:
                        for chunk in _chunks(folder / "volunteers.csv"):
                            done += await _enrol(ledger, people, chunk)
                            show("volunteers.csv", done, 0)
                say(f"volunteers.csv: {done:,} 条新登记 / newly registered")
            received = await _receive(ledger, folder / "deliveries.csv")
            say(f"deliveries.csv: {received:,} 单入库 / deliveries received")
    except DatasetError as error:
        raise Ending(str(error)) from error
    finally:
        await database.close()


def _chunks(path: Path) -> Iterator[list[Line]]:
    chunk: list[Line] = []
    for line in read_lines(path) if path.is_file() else ():
        chunk.append(line)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _station(line: Line) -> Draft:
    number, fields = line
    if len(fields) != 4 or not fields[0]:
        raise DatasetError(f"stations.csv:{number}: 列数有误 / wrong number of fields: {','.join(fields)}")
    command = Command(CLIENT, f"stations.csv:{fields[0]}", "operator")
    return opening("station", fields[0], fields[1], fields[2], command)


async def _enrol(ledger: Ledger, people: Directory, lines: list[Line]) -> int:
    results = await people.enrol(ledger, [_person(line) for line in lines], CLIENT, "operator")
    new = 0
    for (number, _), result in zip(lines, results, strict=True):
        if isinstance(result, PersonDataInvalid):
            raise DatasetError(f"volunteers.csv:{number}: {result.problem} / {result.problem_en}")
        if isinstance(result, Refusal) and not isinstance(result, DocumentExists):
            raise Ending(f"volunteers.csv:{number}: {refusal_text(result)}")
        new += not isinstance(result, Refusal) and not result.replayed
    return new


def _person(line: Line) -> NewPerson:
    """What a line says of somebody. What is wrong with it is told by its number: the line is about a person."""
    number, fields = line
    born = local_day(fields[2]) if len(fields) == 6 else None
    if born is None or not fields[0]:
        raise DatasetError(
            f"volunteers.csv:{number}: 列数、编号或出生日期有误 / wrong number of fields, no number, or no date of birth"
        )
    return NewPerson(name=fields[1], phone=fields[3], volunteer_number=fields[0], born=born)


async def _post(ledger: Ledger, drafts: list[Draft], rooms: frozenset[str]) -> int:
    new = 0
    for draft, result in zip(drafts, await ledger.submit(drafts, rooms), strict=True):
        if isinstance(result, Refusal) and not isinstance(result, DocumentExists):
            raise Ending(f"{draft.key}: {result.code} {result}")
        new += not isinstance(result, Refusal) and not result.replayed
    return new


async def _receive(ledger: Ledger, path: Path) -> int:
    known = await ledger.database.read(stations, ledger.id)
    book = await policies_for(ledger)
    results = await MarketService(ledger, book).receive(_orders(path, known, book))
    refused = [
        result for result in results if isinstance(result, Refusal) and not isinstance(result, DocumentExists)
    ]
    if refused:
        raise Ending(f"入库被拒绝 / a delivery was refused: {refused[0].code} {refused[0]}")
    return sum(not isinstance(result, Refusal) and not result.replayed for result in results)


def _orders(path: Path, known: dict[str, Station], book: PolicyBook) -> list[tuple[Delivery, Command]]:
    if not path.is_file():
        return []
    goods = book.policies[-1].goods
    orders = []
    for reference, run in groupby(read_lines(path), key=lambda line: line[1][0]):
        lines = list(run)
        for number, fields in lines:
            if (
                len(fields) != 6
                or fields[1] not in known
                or fields[2] not in goods
                or not (fields[3].isascii() and fields[3].isdigit() and 0 < int(fields[3]) < 10**6)
                or not fields[4].replace("-", "").isalnum()
                or (fields[5] and local_day(fields[5]) is None)
                or (fields[1], fields[4], fields[5]) != (lines[0][1][1], lines[0][1][4], lines[0][1][5])
            ):
                raise DatasetError(
                    f"{path.name}:{number}: 站点、商品、数量、捐赠方或保质期有误 / wrong station, SKU, pieces, donor or date"
                )
        delivery = _delivery(reference, [fields for _, fields in lines], known)
        orders.append((delivery, Command(CLIENT, f"delivery:{reference}")))
    return orders


def _delivery(reference: str, lines: Sequence[tuple[str, ...]], known: dict[str, Station]) -> Delivery:
    pieces: dict[str, int] = {}
    for fields in lines:
        pieces[fields[2]] = pieces.get(fields[2], 0) + int(fields[3])
    station = known[lines[0][1]]
    return Delivery(reference, station, lines[0][4], tuple(pieces.items()), lines[0][5] or "never")
