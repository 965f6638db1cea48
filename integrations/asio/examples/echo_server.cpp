// SPDX-License-Identifier: MIT
//
// The example of Python's contextvars documentation, on Asio: the coroutine that handles a client
// sets the client's address, and a function without parameters says good bye to that address. Many
// clients at once, on several threads.
//
//     echo_server [port]      port 0: any free one
//     nc 127.0.0.1 <port>     echoes lines; an empty line, or the end of input, ends it
#include <contextvars/asio.hpp>

#if defined(CONTEXTVARS_ASIO_STANDALONE)
#include <asio.hpp>
namespace net = asio;
using net::error_code;
#else
#include <boost/asio.hpp>
namespace net = boost::asio;
using boost::system::error_code;
#endif

#include <chrono>
#include <csignal>
#include <cstddef>
#include <exception>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

using net::ip::tcp;

// [handle]
contextvars::ContextVar<tcp::endpoint> client_address{"client_address"};

std::string render_goodbye() {
    // Nobody passed the address here; it is that of the client being handled.
    std::ostringstream text;
    text << "Good bye, client @ " << client_address.get() << "\r\n";
    return text.str();
}

contextvars::awaitable<void> handle_client(tcp::socket socket) {
    // From here on, whatever this coroutine calls or awaits can get the address, on whichever
    // thread it is resumed. It needs no strand: one coroutine never runs on two threads at once.
    client_address.set(socket.remote_endpoint());

    constexpr std::size_t longest_line = 64 * 1024;
    std::string input;
    for (;;) {
        error_code error;
        const std::size_t length =
            co_await net::async_read_until(socket, net::dynamic_buffer(input, longest_line), '\n',
                                           net::redirect_error(net::use_awaitable, error));
        if (error || input.starts_with('\n') || input.starts_with("\r\n"))
            break;
        co_await net::async_write(socket, net::buffer(input, length), net::use_awaitable);
        input.erase(0, length); // more than one line may have been read
    }
    const std::string goodbye = render_goodbye(); // Asio does not copy what it writes
    co_await net::async_write(socket, net::buffer(goodbye), net::use_awaitable);
}
// [/handle]

contextvars::awaitable<void> listen(tcp::acceptor acceptor) {
    const auto executor = co_await net::this_coro::executor;
    for (;;) {
        error_code error;
        tcp::socket socket =
            co_await acceptor.async_accept(net::redirect_error(net::use_awaitable, error));
        if (!error) {
            // The client's coroutine begins with a copy of this one's context: what it sets stays
            // with it. `detached` drops its exceptions: a broken connection is the client's affair.
            contextvars::co_spawn(executor, handle_client(std::move(socket)), net::detached);
        } else {
            // Out of file descriptors, mostly: try again, but not at once.
            net::steady_timer pause(executor, std::chrono::milliseconds(100));
            co_await pause.async_wait(net::use_awaitable);
        }
    }
}

int main(int argc, char** argv) try {
    const int port = argc > 1 ? std::stoi(argv[1]) : 8888;
    if (port < 0 || port > 65535)
        throw std::out_of_range("a port is a number from 0 to 65535");

    net::thread_pool pool(4);
    net::signal_set signals(pool, SIGINT, SIGTERM);
    signals.async_wait([&pool](error_code, int) { pool.stop(); });

    tcp::acceptor acceptor(
        pool, tcp::endpoint(net::ip::address_v4::loopback(), static_cast<unsigned short>(port)));
    std::cout << "listening on " << acceptor.local_endpoint() << std::endl;
    contextvars::co_spawn(pool, listen(std::move(acceptor)), net::detached);

    pool.join(); // until a signal; ~thread_pool then destroys the coroutines that still wait
} catch (const std::exception& error) {
    std::cerr << "echo_server: " << error.what() << '\n';
    return 1;
}
