# SPDX-License-Identifier: MIT
"""An HTTP server of plain asyncio, whose C++ side logs with the id of the request.

    python3 integrations/python/examples/python_http/server.py [port]      port 0: any free one
    curl -H 'X-Request-Id: 7f3a' http://127.0.0.1:<port>/apple
"""
import asyncio
import itertools
import pathlib
import signal
import sys

try:
    import shop
except ImportError:
    built = pathlib.Path(__file__).parents[4] / "build/python/integrations/python/examples/python_http"
    sys.path.append(str(built))
    try:
        import shop
    except ImportError as error:
        sys.exit(f"{error}: scripts/demo-python builds it")

count = itertools.count(1)


# [answer]
async def answer(item):
    price = shop.price_of(item)  # C++, on this thread
    await asyncio.sleep(0.005)  # meanwhile others are answered here
    tax = await asyncio.to_thread(shop.tax_of, price)  # C++, on another thread
    items = []
    shop.for_each_item(2, lambda i: items.append(shop.price_of(f"{item}{i}")))
    return f"{item} costs {price + tax}, {sum(items)} for two\n"
# [/answer]


# [handle]
async def handle(reader, writer):
    """One connection: a task, and so a context, of its own."""
    while line := await reader.readline():
        _, path, _ = line.decode().split()
        headers = {}
        while (line := await reader.readline()).strip():
            name, value = line.decode().split(":", 1)
            headers[name.strip().lower()] = value.strip()

        # Until the end of this request, in everything that is called or started from here.
        with shop.request_id.set(headers.get("x-request-id", f"r{next(count)}")):
            try:
                status, body = "200 OK", await answer(path.lstrip("/"))
            except ValueError as error:
                status, body = "400 Bad Request", f"{error}\n"
            writer.write(
                f"HTTP/1.1 {status}\r\nX-Request-Id: {shop.request_id.get()}\r\n"
                f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
    writer.close()
# [/handle]


async def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    server = await asyncio.start_server(handle, "127.0.0.1", port)
    host, port = server.sockets[0].getsockname()
    print(f"listening on {host}:{port}", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


asyncio.run(main())
