// SPDX-License-Identifier: MIT
//
// How many bytes does a coroutine take while it waits for a timer? Its own bindings are few and small.
// Prints them as a table, which docs/benchmarks.md shows, and fails above the limits, which are what this
// library may add to Asio's own: with g++ 12, Boost 1.81 and glibc, whose malloc gives them out.
//
// The peers are coroutines of Asio's that hold their bindings themselves, as a program does that passes
// them along. Nothing in them finds the bindings in a function that is called.
#include <contextvars/asio.hpp>
#include <contextvars/contextvars.hpp>

#include <boost/asio.hpp>

#include <boost/container/flat_map.hpp>

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <unordered_map>
#include <utility>

namespace cv = contextvars;
namespace net = boost::asio;

namespace {

constexpr int coroutines = 10000;
constexpr int most_bound = 16;

const std::array<cv::ContextVar<long>, most_bound> variables{
    cv::ContextVar<long>{"0"},  cv::ContextVar<long>{"1"},  cv::ContextVar<long>{"2"},
    cv::ContextVar<long>{"3"},  cv::ContextVar<long>{"4"},  cv::ContextVar<long>{"5"},
    cv::ContextVar<long>{"6"},  cv::ContextVar<long>{"7"},  cv::ContextVar<long>{"8"},
    cv::ContextVar<long>{"9"},  cv::ContextVar<long>{"10"}, cv::ContextVar<long>{"11"},
    cv::ContextVar<long>{"12"}, cv::ContextVar<long>{"13"}, cv::ContextVar<long>{"14"},
    cv::ContextVar<long>{"15"}};

template <int bound>
void bind() {
    for (int i = 0; i != bound; ++i)
        variables[static_cast<std::size_t>(i)].set(i);
}

template <class Awaitable, int bound>
Awaitable waits(net::io_context& context) {
    bind<bound>();
    net::steady_timer timer(context, std::chrono::hours(1));
    co_await timer.async_wait(net::use_awaitable);
}

template <class Map, int bound>
net::awaitable<void> holds_and_waits(net::io_context& context) {
    const auto bindings = [] {
        auto made = std::make_shared<Map>();
        for (int i = 0; i != bound; ++i)
            made->emplace(i, i);
        return std::shared_ptr<const Map>(std::move(made));
    }();
    net::steady_timer timer(context, std::chrono::hours(1));
    co_await timer.async_wait(net::use_awaitable);
}

template <int bound>
void asio(net::io_context& context) {
    net::co_spawn(context, waits<net::awaitable<void>, 0>(context), net::detached);
}

template <int bound>
void ours(net::io_context& context) {
    cv::co_spawn(context, waits<cv::awaitable<void>, bound>(context), net::detached);
}

/// The bindings are those of the code that starts the coroutines.
template <int bound>
void ours_bound_before(net::io_context& context) {
    static const bool are_bound = [] { return bind<bound>(), true; }();
    static_cast<void>(are_bound);
    cv::co_spawn(context, waits<cv::awaitable<void>, 0>(context), net::detached);
}

template <class Map, int bound>
void peer(net::io_context& context) {
    net::co_spawn(context, holds_and_waits<Map, bound>(context), net::detached);
}

long in_use() { return static_cast<long>(mallinfo2().uordblks); }

/// In a process of its own, whose memory is as every other's at the start.
long bytes_of(void (*start)(net::io_context&)) {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0)
        std::exit(EXIT_FAILURE);
    if (fork() == 0) {
        // The timers' queue, which is one block, is not counted: it is mapped.
        mallopt(M_MMAP_THRESHOLD, 64 * 1024);
        net::io_context context(1);
        start(context);
        context.poll();
        const long before = in_use();
        for (int i = 0; i != coroutines; ++i)
            start(context);
        context.poll();
        const long bytes = (in_use() - before + coroutines / 2) / coroutines;
        _exit(write(ends[1], &bytes, sizeof bytes) == sizeof bytes ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    long bytes = -1;
    const bool has_read = read(ends[0], &bytes, sizeof bytes) == sizeof bytes;
    close(ends[0]);
    close(ends[1]);
    wait(nullptr);
    return has_read ? bytes : -1;
}

bool all_met = true;

template <int bound>
void row(long most_added) {
    using unordered = std::unordered_map<int, long>;
    using flat = boost::container::flat_map<int, long>;
    const long of_asio = bytes_of(asio<bound>);
    const long own = bytes_of(ours<bound>);
    const long bound_before = bytes_of(ours_bound_before<bound>);
    std::printf("| %d | %ld | %ld | %ld | %ld | %ld |\n", bound, of_asio, own, bound_before,
                bytes_of(peer<unordered, bound>), bytes_of(peer<flat, bound>));
    std::fflush(stdout);
    if (of_asio < 0 || std::max(own, bound_before) > of_asio + most_added) {
        std::printf("more than Asio's own and %ld\n", most_added);
        all_met = false;
    }
}

} // namespace

int main() {
    std::printf("| bound | Asio | this library | this library, bound before the start | "
                "shared unordered_map | shared flat_map |\n"
                "| ---: | ---: | ---: | ---: | ---: | ---: |\n");
    std::fflush(stdout);
    row<0>(64);
    row<1>(176);
    row<4>(176);
    row<16>(368);
    return all_met ? EXIT_SUCCESS : EXIT_FAILURE;
}
