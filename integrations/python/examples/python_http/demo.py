# SPDX-License-Identifier: MIT
"""Starts server.py, sends many requests at the same time, and checks that every line that C++ logged
carries the id of its request."""
import asyncio
import pathlib
import re
import signal
import sys

REQUESTS = 50


async def request(port, number):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    item = "x" * number
    writer.write(f"GET /{item} HTTP/1.1\r\nX-Request-Id: id{number}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = int(re.search(r"Content-Length: (\d+)", head)[1])
    body = (await reader.readexactly(length)).decode()
    writer.close()
    assert f"X-Request-Id: id{number}\r\n" in head, head
    expected = f"{item} costs {12 * number}, {20 * (number + 1)} for two\n"
    if number == 0:
        expected = "nothing has no price\n"
    assert body == expected, body


def check(lines):
    """What each request must have logged, by the length of its item; returns the number of lines."""
    logged = {}
    for line in lines:
        time, thread, identity, text = re.fullmatch(r"(\S+) (\d+) \[(\S+)\] (.*)\n", line).groups()
        logged.setdefault(identity, []).append(text)
    assert set(logged) == {f"id{number}" for number in range(REQUESTS)}, sorted(logged)
    for number in range(REQUESTS):
        item = "x" * number
        expected = [f"price of {item}", f"tax of {10 * number}", f"price of {item}0",
                    f"price of {item}1", "went over 2 items"]
        assert logged[f"id{number}"] == (expected if number else expected[:1]), logged
    return sum(map(len, logged.values()))


async def main():
    server = await asyncio.create_subprocess_exec(
        sys.executable, str(pathlib.Path(__file__).with_name("server.py")), "0",
        stdout=asyncio.subprocess.PIPE)
    try:
        first = (await server.stdout.readline()).decode()
        port = int(re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", first)[1])
        await asyncio.gather(*(request(port, number) for number in range(REQUESTS)))
        server.send_signal(signal.SIGTERM)
        lines = (await server.stdout.read()).decode().splitlines(keepends=True)
        assert await server.wait() == 0
    finally:
        if server.returncode is None:
            server.kill()
    print("".join(line for line in lines if "[id3]" in line or "[id4]" in line), end="")
    print(f"{check(lines)} lines logged by C++ for {REQUESTS} requests of Python at the same time, "
          "each with the id of its own")


asyncio.run(main())
