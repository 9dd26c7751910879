"""A server as it is seen across a network: a relay on this machine that holds back each byte for half a round trip.

What a real network adds (loss, a narrow line) is left out. The relay is a process of its own, and the same one for every row.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

PIECE = 1 << 16


@contextmanager
def distant(url: str, round_trip: float) -> Iterator[str]:
    """The address of ``url``, ``round_trip`` seconds away."""
    server = urlsplit(url)
    with subprocess.Popen([sys.executable, __file__, str(server.hostname), str(server.port), str(round_trip)], stdout=subprocess.PIPE, text=True) as relay:
        assert relay.stdout is not None
        try:
            yield f"{server.scheme}://127.0.0.1:{int(relay.stdout.readline())}"
        finally:
            relay.terminate()


async def serve(host: str, port: int, round_trip: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(round_trip)  # the handshake
        far_reader, far_writer = await asyncio.open_connection(host, port)
        await asyncio.gather(passed_on(reader, far_writer, round_trip / 2), passed_on(far_reader, writer, round_trip / 2))

    relay = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(relay.sockets[0].getsockname()[1], flush=True)
    await relay.serve_forever()


async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Each piece leaves ``delay`` seconds after it came, in its order, however many are on their way."""
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError):
        while piece := await reader.read(PIECE):
            loop.call_later(delay, writer.write, piece)
    loop.call_later(delay, writer.close)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
