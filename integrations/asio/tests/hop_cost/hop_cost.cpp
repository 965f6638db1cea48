// SPDX-License-Identifier: MIT
//
// hop_cost HOPS TOKEN: so many hops of one coroutine of this library's, with one variable bound.
#include <contextvars/asio.hpp>
#include <contextvars/contextvars.hpp>

#include CONTEXTVARS_ASIO_HEADER(deferred.hpp)
#include CONTEXTVARS_ASIO_HEADER(detached.hpp)
#include CONTEXTVARS_ASIO_HEADER(io_context.hpp)
#include CONTEXTVARS_ASIO_HEADER(post.hpp)
#include CONTEXTVARS_ASIO_HEADER(use_awaitable.hpp)

#include <cstdlib>
#include <string_view>

namespace cv = contextvars;
namespace net = CONTEXTVARS_ASIO;

namespace {

const cv::ContextVar<long> variable{"v"};

template <class Token>
cv::awaitable<void> hop(int hops, Token token) {
    for (int i = 0; i != hops; ++i)
        co_await net::post(token);
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3)
        return EXIT_FAILURE;
    const int hops = std::atoi(argv[1]);
    variable.set(1);
    net::io_context io(1);
    if (std::string_view(argv[2]) == "deferred")
        cv::co_spawn(io, hop(hops, net::deferred), net::detached);
    else
        cv::co_spawn(io, hop(hops, net::use_awaitable), net::detached);
    io.run();
}
