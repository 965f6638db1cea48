// SPDX-License-Identifier: MIT
//
// Many coroutines on a pool of four threads, each checking after every step that its bindings are
// its own. CONTEXTVARS_STRESS_CHECKS sets how many checks are made, CONTEXTVARS_STRESS_SEED the
// seed.
#include "support.hpp"

#if CONTEXTVARS_TESTS_HAS_OPERATORS
#if defined(CONTEXTVARS_ASIO_STANDALONE)
#include <asio/experimental/awaitable_operators.hpp>
#else
#include <boost/asio/experimental/awaitable_operators.hpp>
#endif
#endif

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <latch>
#include <random>
#include <string>
#include <utility>

using namespace contextvars_tests;

namespace {

using AsioStress = Isolated;

long from_environment(const char* name, long otherwise) {
    const char* value = std::getenv(name);
    return value != nullptr ? std::strtol(value, nullptr, 10) : otherwise;
}

class Stress {
public:
    explicit Stress(long checks, std::uint32_t seed) : checks_(checks), seed_(seed) {}

    long run() {
        constexpr int roots = 24;
        net::thread_pool pool(4);
        net::thread_pool other(2); // plain: its threads have contexts of their own
        other_ = &other;
        std::latch dirtied(2); // so that each of the two threads runs one
        for (int i = 0; i != 2; ++i)
            net::post(other, [&] {
                set_marks(-100);
                dirtied.arrive_and_wait();
            });
        cv::Context of_tasks[4];
        for (cv::Context& context : of_tasks)
            cv::co_spawn(pool, context, root(place::pool), net::detached);
        for (int i = 0; i != roots / 3; ++i) {
            cv::co_spawn(pool, root(place::pool), net::detached);
            cv::co_spawn(cv::make_strand(pool), root(place::strand), net::detached);
            // On a bare executor.
            net::co_spawn(pool, root(place::pool), net::detached);
        }
        pool.join();
        std::latch looked_at(2);
        for (int i = 0; i != 2; ++i)
            net::post(other, [&] {
                check(has_marks(-100));
                looked_at.arrive_and_wait();
            });
        other.join();
        return done_;
    }

    long wrong() const { return wrong_; }

private:
    // Asio's cancellation, and so || and &&, needs a strand: a group prepares to be cancelled after it
    // has started, when it may have ended on another thread. And what is on a strand must stay there.
    enum class place { pool, strand };

    int next_mark() { return ++last_mark_; }

    bool enough() const { return done_.load(std::memory_order_relaxed) >= checks_; }

    void check(bool right) {
        done_.fetch_add(1, std::memory_order_relaxed);
        if (!right)
            wrong_.fetch_add(1, std::memory_order_relaxed);
    }

    cv::awaitable<void> hop([[maybe_unused]] place where, std::uint32_t kind) {
        switch (kind % 8) {
        case 0:
            co_await timer_tick();
            break;
        case 1:
            co_await net::dispatch(net::use_awaitable);
            break;
        case 2:
            co_await net::post(*other_, net::use_awaitable);
            break;
        case 3:
            co_await net::post(cv::bind_context(net::use_awaitable));
            break;
#if CONTEXTVARS_TESTS_HAS_BOUND_AWAITABLE
        case 4:
            if (where == place::pool)
                co_await net::post(net::bind_executor(*other_, net::use_awaitable));
            break;
#endif
#if CONTEXTVARS_TESTS_HAS_AWAITED_OPERATIONS
        case 5:
            co_await net::post(net::deferred);
            break;
#endif
        default:
            co_await net::post(net::use_awaitable);
            break;
        }
    }

    cv::awaitable<void> steps(place where, int mark, std::uint32_t seed, int depth) {
        std::minstd_rand random(seed);
        set_marks(mark);
        const int count = depth == 0 ? 40 : 12;
        for (int i = 0; i != count && !enough(); ++i) {
            switch (random() % 6) {
            case 0: {
                cv::Token<int> token = number.set(mark + 1);
                co_await hop(where, random());
                check(number.get() == mark + 1);
                number.reset(token);
                break;
            }
            case 1: {
                const auto guard = text.scoped("within a guard, and longer than a small string");
                co_await hop(where, random());
                check(text.get() == "within a guard, and longer than a small string");
                break;
            }
            case 2:
                if (depth != 0)
                    co_await nested(where, mark, random(), depth - 1);
                break;
            case 3:
                if (depth != 0)
                    co_await children(where, random(), random(), depth - 1);
                break;
            default:
                co_await hop(where, random());
                break;
            }
            check(has_marks(mark));
        }
    }

    /// A callee that leaves the bindings as they were.
    cv::awaitable<void> nested(place where, int mark, std::uint32_t seed, int depth) {
        check(has_marks(mark));
        const int own = next_mark();
        co_await steps(where, own, seed, depth);
        check(has_marks(own));
        set_marks(mark);
    }

    cv::awaitable<void> children(place where, std::uint32_t seed1, std::uint32_t seed2, int depth) {
#if CONTEXTVARS_TESTS_HAS_OPERATORS
        using namespace net::experimental::awaitable_operators;
        if (where == place::strand) {
            if (seed1 % 2 == 0)
                co_await (steps(where, next_mark(), seed1, depth) ||
                          steps(where, next_mark(), seed2, depth));
            else
                co_await (steps(where, next_mark(), seed1, depth) &&
                          steps(where, next_mark(), seed2, depth));
            co_return;
        }
#endif
        const auto executor = co_await net::this_coro::executor;
        net::co_spawn(executor, steps(where, next_mark(), seed1, depth), net::detached);
        co_await net::co_spawn(executor, steps(where, next_mark(), seed2, depth),
                               net::use_awaitable);
    }

    cv::awaitable<void> root(place where) {
        const int mark = next_mark();
        std::minstd_rand random(seed_ + static_cast<std::uint32_t>(mark) * 7919U);
        while (!enough())
            co_await steps(where, mark, random(), 2);
    }

    const long checks_;
    const std::uint32_t seed_;
    net::thread_pool* other_ = nullptr;
    std::atomic<int> last_mark_ = 0;
    std::atomic<long> done_ = 0;
    std::atomic<long> wrong_ = 0;
};

} // namespace

TEST_F(AsioStress, of_coroutines_on_four_threads_finds_every_binding_right) {
    const long checks = from_environment("CONTEXTVARS_STRESS_CHECKS", 300'000);
    const auto seed = static_cast<std::uint32_t>(
        from_environment("CONTEXTVARS_STRESS_SEED", static_cast<long>(std::random_device()())));
    Stress stress(checks, seed);
    const long done = stress.run();
    std::cout << "seed " << seed << ": " << done << " checks, " << stress.wrong() << " wrong\n";
    EXPECT_GE(done, checks);
    EXPECT_EQ(stress.wrong(), 0);
}
