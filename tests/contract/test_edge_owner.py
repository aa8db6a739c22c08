"""The embedded vector engine when its owner process is killed, or wanted twice."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from services.chat.adapters.edge_index import BATCH, EdgeIndexes
from services.chat.ports import Scope
from shared.kernel.errors import Unusable
from tests.contract.points import DIMENSION, point, terms, texts

ACME = Scope("acme")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
async def indexes(folder: Path) -> AsyncIterator[EdgeIndexes]:
    edge = EdgeIndexes(folder)
    yield edge
    await edge.aclose()


async def kill_owner(indexes: EdgeIndexes) -> None:
    owner = psutil.Process(await indexes.owner_pid())
    owner.kill()
    await asyncio.to_thread(psutil.wait_procs, [owner], 30)


async def test_a_killed_owner_loses_no_flushed_point(indexes: EdgeIndexes) -> None:
    index = await indexes.open("chunks", DIMENSION)
    await index.upsert([point(str(n), "acme", sparse=terms(n), text=f"{n}") for n in range(50)])
    await index.flush()
    await kill_owner(indexes)
    assert await index.count(ACME) == 50
    assert (await texts(index, ACME, sparse=terms(7)))[0] == "7"


async def test_every_index_is_opened_again(indexes: EdgeIndexes) -> None:
    opened = [await indexes.open(f"chunks-{n}", DIMENSION + n) for n in range(2)]
    await opened[0].upsert([point("p", "acme")])
    await opened[0].flush()
    await kill_owner(indexes)
    assert [await index.count(ACME) for index in opened] == [1, 0]
    assert await indexes.names() == {"chunks-0", "chunks-1"}


async def test_an_index_that_was_made_with_graphs_is_opened_without(
    indexes: EdgeIndexes, folder: Path
) -> None:
    """To make a graph holds up every search for minutes."""
    index = await indexes.open("chunks", DIMENSION)
    await index.upsert([point("p", "acme")])
    await index.flush()
    await indexes.aclose()
    file = folder / "chunks" / "edge_config.json"
    config = json.loads(file.read_text())
    config["hnsw_config"] |= {"m": 16, "payload_m": 16}
    file.write_text(json.dumps(config))

    assert await (await indexes.open("chunks", DIMENSION)).count(ACME) == 1
    graphs = json.loads(file.read_text())["hnsw_config"]
    assert (graphs["m"], graphs["payload_m"]) == (0, 0)


async def test_a_killed_owner_loses_not_even_what_was_not_flushed(indexes: EdgeIndexes) -> None:
    """So a writer may go on with the next owner and flush then."""
    index = await indexes.open("chunks", DIMENSION)
    await index.upsert([point(str(n), "acme") for n in range(100)])
    await index.delete(Scope("acme", source_id="s1"))
    await index.upsert([point(f"again {n}", "acme") for n in range(100)])
    await kill_owner(indexes)
    await index.flush()
    assert await index.count(ACME) == 100


@pytest.mark.slow
async def test_whoever_writes_while_the_owner_is_killed_notices_nothing(
    indexes: EdgeIndexes,
) -> None:
    index = await indexes.open("chunks", DIMENSION)
    for round_ in range(3):
        points = [point(f"{round_}-{n}", "acme") for n in range(5 * BATCH)]
        writing = asyncio.ensure_future(index.upsert(points))
        for _ in range(round_ * 3):
            await asyncio.sleep(0.001)
        await kill_owner(indexes)
        await writing
    await index.flush()
    assert await index.count(ACME) == 3 * 5 * BATCH


@pytest.mark.slow
async def test_a_second_owner_is_refused_and_the_first_unharmed(
    indexes: EdgeIndexes, folder: Path
) -> None:
    index = await indexes.open("chunks", DIMENSION)
    await index.upsert([point("p", "acme", text="ours")])
    second = EdgeIndexes(folder)
    with pytest.raises(Unusable, match="another process owns"):
        await second.open("chunks", DIMENSION)
    await second.aclose()
    await index.upsert([point("q", "acme", text="ours too")])
    await index.flush()
    assert sorted(await texts(index, ACME)) == ["ours", "ours too"]


async def test_the_next_owner_finds_what_the_last_one_closed(folder: Path) -> None:
    first = EdgeIndexes(folder)
    await (await first.open("chunks", DIMENSION)).upsert([point("p", "acme", text="kept")])
    await first.aclose()
    second = EdgeIndexes(folder)
    index = await second.open("chunks", DIMENSION)
    assert await texts(index, ACME) == ["kept"]
    await second.aclose()


async def test_a_creation_that_was_cut_short_is_made_anew(
    indexes: EdgeIndexes, folder: Path
) -> None:
    (folder / "chunks").mkdir(parents=True)
    (folder / "chunks" / "half").write_bytes(b"a part")
    assert await indexes.names() == frozenset()
    index = await indexes.open("chunks", DIMENSION)
    await index.upsert([point("p", "acme")])
    assert await index.count(ACME) == 1


@pytest.mark.slow
async def test_an_owner_ends_with_the_process_it_works_for(folder: Path) -> None:
    program = (
        "import asyncio, pathlib\n"
        "from services.chat.adapters.edge_index import EdgeIndexes\n"
        "async def main():\n"
        "    from tests.contract.points import DIMENSION, point\n"
        f"    edge = EdgeIndexes(pathlib.Path({str(folder)!r}))\n"
        "    index = await edge.open('chunks', DIMENSION)\n"
        "    await index.upsert([point('p', 'acme')])\n"
        "    await index.flush()\n"
        "    print(await edge.owner_pid(), flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(main())\n"
    )
    script = folder.parent / "holder.py"
    script.write_text(program)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    assert process.stdout is not None
    owner = psutil.Process(int(await process.stdout.readline()))
    process.send_signal(signal.SIGKILL)
    await process.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, [owner], 30)
    assert alive == []
    edge = EdgeIndexes(folder)
    index = await edge.open("chunks", DIMENSION)
    assert await index.count(ACME) == 1
    await edge.aclose()
