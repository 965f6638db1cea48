#include "server.hpp"

#include <boost/asio.hpp>

#include <chrono>
#include <cstddef>
#include <utility>

namespace net = boost::asio;
using boost::system::error_code;
using net::ip::tcp;

contextvars::ContextVar<std::string> client_name{"client_name", "nobody"};

namespace {

constexpr std::size_t longest_line = 4096;

// No parameter says whom to greet. After the pause another thread may go on; the variable is the same.
contextvars::awaitable<std::string> greeting() {
    net::steady_timer pause(co_await net::this_coro::executor, std::chrono::milliseconds(1));
    co_await pause.async_wait(net::use_awaitable);
    co_return "hello, " + client_name.get() + "\n";
}

contextvars::awaitable<void> handle(tcp::socket socket) {
    std::string input;
    for (;;) {
        error_code error;
        const std::size_t length =
            co_await net::async_read_until(socket, net::dynamic_buffer(input, longest_line), '\n',
                                           net::redirect_error(net::use_awaitable, error));
        if (error)
            co_return;
        const auto scope = client_name.scoped(input.substr(0, length - 1));
        input.erase(0, length); // more than one line may have been read
        const std::string line = co_await greeting();
        co_await net::async_write(socket, net::buffer(line), net::use_awaitable);
    }
}

} // namespace

contextvars::awaitable<void> serve(tcp::acceptor acceptor) {
    const auto executor = co_await net::this_coro::executor;
    for (;;) {
        error_code error;
        tcp::socket socket =
            co_await acceptor.async_accept(net::redirect_error(net::use_awaitable, error));
        if (!error) {
            // A client's coroutine has a copy of this context; `detached` drops its exceptions.
            contextvars::co_spawn(executor, handle(std::move(socket)), net::detached);
        } else {
            // Out of file descriptors, mostly: try again, but not at once.
            net::steady_timer pause(executor, std::chrono::milliseconds(100));
            co_await pause.async_wait(net::use_awaitable);
        }
    }
}
