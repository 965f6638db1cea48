// SPDX-License-Identifier: MIT
//
// One coroutine, step by step: whatever it awaits and wherever it goes on, it has its own context,
// and the thread that resumed it has its own again.
#include "support.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <latch>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

using namespace contextvars_tests;

namespace {

using AsioStep = Isolated;
using tcp = net::ip::tcp;

/// Two connected sockets.
std::pair<tcp::socket, tcp::socket> connected_pair(net::io_context& context) {
    tcp::acceptor acceptor(context, tcp::endpoint(net::ip::address_v4::loopback(), 0));
    tcp::socket client(context);
    client.connect(acceptor.local_endpoint());
    return {std::move(client), acceptor.accept()};
}

} // namespace

TEST_F(AsioStep, after_a_timer_has_the_same_bindings) {
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        net::steady_timer timer(co_await net::this_coro::executor);
        timer.expires_after(std::chrono::milliseconds(1));
        co_await timer.async_wait(net::use_awaitable);
        EXPECT_TRUE(has_marks(1));
        set_marks(2);
        timer.expires_after(std::chrono::milliseconds(1));
        co_await timer.async_wait(net::use_awaitable);
        EXPECT_TRUE(has_marks(2));
    });
}

TEST_F(AsioStep, after_post_dispatch_and_defer_has_the_same_bindings) {
    run_task([]() -> cv::awaitable<void> {
        const auto executor = co_await net::this_coro::executor;
        set_marks(1);
        co_await net::post(executor, net::use_awaitable);
        EXPECT_TRUE(has_marks(1));
        set_marks(2);
        co_await net::dispatch(executor, net::use_awaitable);
        EXPECT_TRUE(has_marks(2));
        set_marks(3);
        co_await net::defer(executor, net::use_awaitable);
        EXPECT_TRUE(has_marks(3));
        set_marks(4);
        co_await net::post(net::use_awaitable);
        EXPECT_TRUE(has_marks(4));
        co_await net::dispatch(net::use_awaitable);
        EXPECT_TRUE(has_marks(4));
    });
}

TEST_F(AsioStep, after_socket_operations_has_the_same_bindings) {
    net::io_context context;
    tcp::acceptor acceptor(context, tcp::endpoint(net::ip::address_v4::loopback(), 0));
    const tcp::endpoint endpoint = acceptor.local_endpoint();
    int served = 0;
    set_marks(100);
    cv::co_spawn(
        context,
        [&]() -> cv::awaitable<void> {
            set_marks(1);
            tcp::socket peer = co_await acceptor.async_accept(net::use_awaitable);
            EXPECT_TRUE(has_marks(1));
            std::array<char, 4> data{};
            co_await net::async_read(peer, net::buffer(data), net::use_awaitable);
            EXPECT_TRUE(has_marks(1));
            set_marks(2);
            co_await net::async_write(peer, net::buffer(data), net::use_awaitable);
            EXPECT_TRUE(has_marks(2));
            ++served;
        },
        net::detached);
    run_task(context, [&]() -> cv::awaitable<void> {
        set_marks(3);
        tcp::socket socket(co_await net::this_coro::executor);
        co_await socket.async_connect(endpoint, net::use_awaitable);
        EXPECT_TRUE(has_marks(3));
        std::array<char, 4> data{'p', 'i', 'n', 'g'};
        co_await net::async_write(socket, net::buffer(data), net::use_awaitable);
        EXPECT_TRUE(has_marks(3));
        set_marks(4);
        const std::size_t read =
            co_await socket.async_read_some(net::buffer(data), net::use_awaitable);
        EXPECT_GT(read, 0U);
        EXPECT_TRUE(has_marks(4));
    });
    EXPECT_EQ(served, 1);
    EXPECT_TRUE(has_marks(100));
}

TEST_F(AsioStep, after_a_composed_operation_has_the_same_bindings) {
    net::io_context context;
    auto [client, server] = connected_pair(context);
    net::co_spawn(
        context,
        [&client = client]() -> cv::awaitable<void> {
            set_marks(7);
            for (const char* part : {"a li", "ne in par", "ts\nrest"})
                co_await net::async_write(client, net::buffer(std::string_view(part)),
                                          net::use_awaitable);
            EXPECT_TRUE(has_marks(7));
            client.shutdown(tcp::socket::shutdown_send);
        },
        net::detached);
    std::string line;
    run_task(context, [&line, &server = server]() -> cv::awaitable<void> {
        set_marks(1);
        const std::size_t length = co_await net::async_read_until(server, net::dynamic_buffer(line),
                                                                  '\n', net::use_awaitable);
        line.resize(length);
        EXPECT_TRUE(has_marks(1));
    });
    EXPECT_EQ(line, "a line in parts\n");
}

// An operation of several steps, each of which reads a variable.
namespace {
template <class Token>
auto async_collect(net::steady_timer& timer, std::vector<int>& seen, int steps, Token&& token) {
    return net::async_compose<Token, void(error_code)>(
        [&timer, &seen, steps](auto& self, error_code error = {}) mutable {
            seen.push_back(number.get(-1));
            if (error || steps-- == 0) {
                self.complete(error);
                return;
            }
            number.set(-2); // in a copy: neither the next step nor the awaiter sees it
            timer.expires_after(std::chrono::steady_clock::duration::zero());
            timer.async_wait(std::move(self));
        },
        token, timer);
}
} // namespace

TEST_F(AsioStep, of_a_composed_operation_that_a_user_wrote_sees_the_awaiter_s_bindings) {
    run_task([]() -> cv::awaitable<void> {
        net::steady_timer timer(co_await net::this_coro::executor);
        set_marks(1);
        std::vector<int> seen;
        co_await async_collect(timer, seen, 3, net::use_awaitable);
        // The first step is the initiation. What a step sets is seen by what that step starts.
        EXPECT_EQ(seen.size(), 4U);
        EXPECT_EQ(seen.front(), 1);
        EXPECT_TRUE(has_marks(1));
    });
}

TEST_F(AsioStep, of_a_composed_operation_that_sets_nothing_sees_the_awaiter_s_bindings_throughout) {
    run_task([]() -> cv::awaitable<void> {
        net::steady_timer timer(co_await net::this_coro::executor);
        set_marks(1);
        std::vector<bool> seen;
        co_await net::async_compose<const net::use_awaitable_t<>&, void(error_code)>(
            [&timer, &seen, steps = 3](auto& self, error_code error = {}) mutable {
                seen.push_back(has_marks(1));
                if (error || steps-- == 0) {
                    self.complete(error);
                    return;
                }
                timer.expires_after(std::chrono::steady_clock::duration::zero());
                timer.async_wait(std::move(self));
            },
            net::use_awaitable, timer);
        EXPECT_EQ(seen, std::vector<bool>(4, true));
        EXPECT_TRUE(has_marks(1));
    });
}

TEST_F(AsioStep, of_an_initiation_that_a_user_wrote_sees_the_awaiter_s_bindings) {
    run_task([]() -> cv::awaitable<void> {
        net::steady_timer timer(co_await net::this_coro::executor);
        set_marks(1);
        bool initiated = false;
        bool completed = false;
        const int result = co_await net::async_initiate<const net::use_awaitable_t<>&, void(int)>(
            [&](auto handler) {
                initiated = has_marks(1);
                set_marks(2); // in a copy
                timer.expires_after(std::chrono::steady_clock::duration::zero());
                // The usual way to run intermediate handlers: on the executor of the final one.
                auto executor = net::get_associated_executor(handler, timer.get_executor());
                timer.async_wait(net::bind_executor(
                    executor, [&completed, handler = std::move(handler)](error_code) mutable {
                        completed = has_marks(2);
                        std::move(handler)(42);
                    }));
            },
            net::use_awaitable);
        EXPECT_EQ(result, 42);
        EXPECT_TRUE(initiated);
        EXPECT_TRUE(completed);
        EXPECT_TRUE(has_marks(1));
    });
}

TEST_F(AsioStep, after_a_signal_has_the_same_bindings) {
    net::io_context context;
    run_task(context, [&]() -> cv::awaitable<void> {
        set_marks(1);
        net::signal_set signals(co_await net::this_coro::executor, SIGUSR1);
        net::post(context, [] { std::raise(SIGUSR1); });
        const int signal = co_await signals.async_wait(net::use_awaitable);
        EXPECT_EQ(signal, SIGUSR1);
        EXPECT_TRUE(has_marks(1));
    });
}

TEST_F(AsioStep, of_a_callee_is_seen_by_its_caller) {
    struct callee {
        static cv::awaitable<int> sets(int mark) {
            set_marks(mark);
            co_await timer_tick();
            EXPECT_TRUE(has_marks(mark));
            set_marks(mark + 1);
            co_return mark;
        }
        static cv::awaitable<std::unique_ptr<int>> nested() {
            EXPECT_TRUE(has_marks(1));
            const int result = co_await sets(10);
            EXPECT_TRUE(has_marks(11));
            co_return std::make_unique<int>(result);
        }
    };
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        const std::unique_ptr<int> result = co_await callee::nested();
        EXPECT_EQ(*result, 10);
        EXPECT_TRUE(has_marks(11));
        co_await timer_tick();
        EXPECT_TRUE(has_marks(11));
    });
}

TEST_F(AsioStep, of_a_callee_that_never_suspends_is_seen_by_its_caller) {
    struct callee {
        static cv::awaitable<int> sets(int depth) {
            number.set(depth);
            if (depth == 0)
                co_return 0;
            co_return 1 + co_await sets(depth - 1);
        }
    };
    run_task([]() -> cv::awaitable<void> {
        const int depth = co_await callee::sets(50);
        EXPECT_EQ(depth, 50);
        EXPECT_EQ(number.get(), 0);
    });
}

TEST_F(AsioStep, of_a_callee_made_earlier_runs_in_the_context_of_who_awaits_it) {
    struct callee {
        static cv::awaitable<int> reads() {
            const int before = number.get();
            co_await timer_tick();
            co_return before * 100 + number.get();
        }
    };
    run_task([]() -> cv::awaitable<void> {
        number.set(1);
        auto made = callee::reads();
        number.set(2);
        const int read = co_await std::move(made);
        EXPECT_EQ(read, 202);
    });
}

TEST_F(AsioStep, after_an_operation_that_failed_has_the_same_bindings) {
    run_task([]() -> cv::awaitable<void> {
        net::steady_timer timer(co_await net::this_coro::executor);
        timer.expires_at(std::chrono::steady_clock::time_point::max());
        set_marks(1);
        net::post(timer.get_executor(), [&] { timer.cancel(); });
        error_code error;
        try {
            co_await timer.async_wait(net::use_awaitable);
        } catch (const system_error& thrown) {
            EXPECT_TRUE(has_marks(1));
            error = thrown.code();
        }
        EXPECT_EQ(error, net::error::operation_aborted);
        EXPECT_TRUE(has_marks(1));
        co_await timer_tick();
        EXPECT_TRUE(has_marks(1));
    });
}

TEST_F(AsioStep, after_an_exception_of_a_callee_has_what_the_callee_set) {
    struct callee {
        static cv::awaitable<void> throws(bool suspends) {
            set_marks(2);
            if (suspends)
                co_await timer_tick();
            throw std::runtime_error("thrown by a callee");
        }
        static cv::awaitable<void> passes_on(bool suspends) { co_await throws(suspends); }
    };
    for (const bool suspends : {false, true})
        run_task([suspends]() -> cv::awaitable<void> {
            set_marks(1);
            bool caught = false;
            try {
                co_await callee::passes_on(suspends);
            } catch (const std::runtime_error&) {
                caught = true;
                EXPECT_TRUE(has_marks(2));
            }
            EXPECT_TRUE(caught);
            co_await timer_tick();
            EXPECT_TRUE(has_marks(2));
        });
}

TEST_F(AsioStep, that_throws_out_of_the_coroutine_leaves_the_thread_its_own_bindings) {
    set_marks(1);
    for (const bool suspends : {false, true})
        EXPECT_THROW(run_task([suspends]() -> cv::awaitable<void> {
                         set_marks(2);
                         if (suspends)
                             co_await timer_tick();
                         throw std::runtime_error("thrown by a coroutine");
                     }),
                     std::runtime_error);
    EXPECT_TRUE(has_marks(1));
}

TEST_F(AsioStep, that_suspends_gives_the_thread_its_own_bindings_back) {
    net::io_context context;
    set_marks(1);
    int between = 0;
    const auto thread_has_its_own = [&between] {
        ++between;
        EXPECT_TRUE(has_marks(1));
    };
    run_task(context, [&]() -> cv::awaitable<void> {
        for (int mark = 2; mark != 6; ++mark) {
            set_marks(mark);
            net::post(context, thread_has_its_own);
            co_await net::post(net::use_awaitable);
            EXPECT_TRUE(has_marks(mark));
        }
    });
    EXPECT_EQ(between, 4);
    EXPECT_TRUE(has_marks(1));
}

TEST_F(AsioStep, that_returns_gives_the_thread_its_own_bindings_back) {
    set_marks(1);
    run_task([]() -> cv::awaitable<void> {
        set_marks(2);
        co_return;
    });
    EXPECT_TRUE(has_marks(1));
    run_task([]() -> cv::awaitable<void> {
        co_await timer_tick();
        set_marks(2);
    });
    EXPECT_TRUE(has_marks(1));
}

TEST_F(AsioStep, that_is_completed_within_its_own_initiation_has_the_same_bindings) {
    const auto complete_at_once = [](auto handler) { std::move(handler)(5); };
    run_task([&]() -> cv::awaitable<void> {
        set_marks(1);
        for (int i = 0; i != 3; ++i) {
            const int result =
                co_await net::async_initiate<const net::use_awaitable_t<>&, void(int)>(
                    complete_at_once, net::use_awaitable);
            EXPECT_EQ(result, 5);
            EXPECT_TRUE(has_marks(1));
        }
    });
}

TEST_F(AsioStep, after_a_foreign_thread_completed_has_the_same_bindings) {
    net::io_context context;
    ForeignThreads threads;
    run_task(context, [&]() -> cv::awaitable<void> {
        set_marks(0);
        int mark = 0;
        for (int round = 0; round != 5; ++round)
            for (const completion how : completions) {
                EXPECT_TRUE(has_marks(mark));
                set_marks(++mark);
                co_await threads.async_complete(how, net::use_awaitable);
                EXPECT_TRUE(has_marks(mark));
            }
    });
}

TEST_F(AsioStep, that_began_with_no_bindings_goes_on_with_none) {
    net::io_context context;
    ForeignThreads threads;
    run_task(context, [&]() -> cv::awaitable<void> {
        for (const completion how : completions) {
            co_await threads.async_complete(how, net::use_awaitable);
            EXPECT_TRUE(has_no_marks());
            EXPECT_TRUE(cv::copy_context().empty());
        }
        co_await timer_tick();
        EXPECT_TRUE(has_no_marks());
    });
}

TEST_F(AsioStep, on_a_thread_with_bindings_sees_none_of_them) {
    net::io_context context;
    cv::Context none;
    bool ended = false;
    cv::co_spawn(
        context, std::as_const(none),
        [&ended]() -> cv::awaitable<void> {
            EXPECT_TRUE(has_no_marks());
            co_await timer_tick();
            EXPECT_TRUE(has_no_marks());
            set_marks(2);
            co_await timer_tick();
            EXPECT_TRUE(has_marks(2));
            ended = true;
        },
        net::detached);
    set_marks(1);
    run(context);
    EXPECT_TRUE(ended);
    EXPECT_TRUE(has_marks(1));
}

TEST_F(AsioStep, on_another_thread_can_reset_a_token_made_before) {
    net::io_context context;
    ForeignThreads threads;
    run_task(context, [&]() -> cv::awaitable<void> {
        set_marks(1);
        for (const completion how : completions) {
            cv::Token<int> of_number = number.set(2);
            cv::Token<std::string> of_text = text.set(text_of(2));
            co_await threads.async_complete(how, net::use_awaitable);
            EXPECT_TRUE(has_marks(2));
            number.reset(of_number);
            text.reset(std::move(of_text));
            EXPECT_TRUE(has_marks(1));
            co_await timer_tick();
            EXPECT_TRUE(has_marks(1));
        }
    });
}

TEST_F(AsioStep, on_another_thread_ends_a_guard_made_before) {
    net::io_context context;
    ForeignThreads threads;
    run_task(context, [&]() -> cv::awaitable<void> {
        set_marks(1);
        for (const completion how : completions) {
            {
                const auto guard = cv::scoped(number.to(2), text.to(text_of(2)));
                co_await threads.async_complete(how, net::use_awaitable);
                EXPECT_TRUE(has_marks(2));
                {
                    const auto inner = number.scoped(3);
                    co_await threads.async_complete(how, net::use_awaitable);
                    EXPECT_EQ(number.get(), 3);
                }
                EXPECT_TRUE(has_marks(2));
            }
            EXPECT_TRUE(has_marks(1));
        }
    });
}

TEST_F(AsioStep, of_a_caller_can_reset_a_token_made_by_its_callee) {
    struct callee {
        static cv::awaitable<cv::Token<int>> sets() {
            co_await timer_tick();
            co_return number.set(2);
        }
    };
    run_task([]() -> cv::awaitable<void> {
        number.set(1);
        cv::Token<int> token = co_await callee::sets();
        EXPECT_EQ(number.get(), 2);
        co_await timer_tick();
        number.reset(token);
        EXPECT_EQ(number.get(), 1);
    });
}

TEST_F(AsioStep, with_a_guard_that_an_exception_ends_restores) {
    struct callee {
        static cv::awaitable<void> throws() {
            const auto guard = number.scoped(2);
            co_await timer_tick();
            throw std::runtime_error("thrown past a guard");
        }
    };
    run_task([]() -> cv::awaitable<void> {
        number.set(1);
        bool caught = false;
        try {
            co_await callee::throws();
        } catch (const std::runtime_error&) {
            caught = true;
            EXPECT_EQ(number.get(), 1);
        }
        EXPECT_TRUE(caught);
        EXPECT_EQ(number.get(), 1);
    });
}

TEST_F(AsioStep, of_several_coroutines_on_one_thread_do_not_mix) {
    net::io_context context;
    int ended = 0;
    set_marks(1000);
    for (int mark = 0; mark != 10; ++mark)
        cv::co_spawn(
            context,
            [&ended, mark]() -> cv::awaitable<void> {
                EXPECT_TRUE(has_marks(1000));
                for (int i = 0; i != 20; ++i) {
                    set_marks(mark * 100 + i);
                    co_await net::post(net::use_awaitable);
                    EXPECT_TRUE(has_marks(mark * 100 + i));
                }
                ++ended;
            },
            net::detached);
    run(context);
    EXPECT_EQ(ended, 10);
    EXPECT_TRUE(has_marks(1000));
}

TEST_F(AsioStep, on_a_thread_pool_has_the_same_bindings_on_every_thread) {
    constexpr int coroutines = 16;
    constexpr int steps = 200;
    net::thread_pool pool(4);
    std::atomic<int> wrong = 0;
    std::atomic<int> right = 0;
    std::latch all_started(4); // keeps four coroutines waiting on all four threads
    for (int mark = 0; mark != coroutines; ++mark)
        cv::co_spawn(
            pool,
            [&, mark]() -> cv::awaitable<void> {
                set_marks(mark);
                if (mark < 4)
                    all_started.arrive_and_wait();
                for (int i = 0; i != steps; ++i) {
                    cv::Token<int> token = number.set(mark + i);
                    co_await net::post(net::use_awaitable);
                    (number.get() == mark + i ? right : wrong) += 1;
                    number.reset(token);
                    if (i % 50 == 0)
                        co_await timer_tick();
                    (has_marks(mark) ? right : wrong) += 1;
                }
            },
            net::detached);
    pool.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(right, coroutines * steps * 2);
}

TEST_F(AsioStep, of_a_plain_awaitable_sees_the_awaiter_s_bindings) {
    struct plain {
        static net::awaitable<int> reads() {
            EXPECT_TRUE(has_marks(1));
            net::steady_timer timer(co_await net::this_coro::executor);
            timer.expires_after(std::chrono::steady_clock::duration::zero());
            co_await timer.async_wait(net::use_awaitable);
            EXPECT_TRUE(has_marks(1)); // on a capturing executor
            co_return number.get();
        }
        static net::awaitable<void> throws() {
            co_await net::post(net::use_awaitable);
            throw std::runtime_error("thrown by a plain awaitable");
        }
        static net::awaitable<int> is_ready() { co_return number.get(); }
    };
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        const int read = co_await plain::reads();
        EXPECT_EQ(read, 1);
        EXPECT_TRUE(has_marks(1));
        const int ready = co_await plain::is_ready();
        EXPECT_EQ(ready, 1);
        EXPECT_TRUE(has_marks(1));
        bool caught = false;
        try {
            co_await plain::throws();
        } catch (const std::runtime_error&) {
            caught = true;
            EXPECT_TRUE(has_marks(1));
        }
        EXPECT_TRUE(caught);
    });
}

TEST_F(AsioStep, of_a_coroutine_that_a_plain_awaitable_awaits_has_its_own_bindings) {
    struct ours {
        static cv::awaitable<int> sets(int mark) {
            set_marks(mark);
            co_await timer_tick();
            EXPECT_TRUE(has_marks(mark));
            co_await timer_tick();
            EXPECT_TRUE(has_marks(mark));
            co_return number.get();
        }
    };
    set_marks(1);
    run_task([]() -> net::awaitable<void> {
        EXPECT_TRUE(has_marks(1));
        const int first = co_await ours::sets(2);
        EXPECT_EQ(first, 2);
        const int second = co_await ours::sets(3);
        EXPECT_EQ(second, 3);
    });
    EXPECT_TRUE(has_marks(1));
}

TEST_F(AsioStep, through_plain_and_own_awaitables_in_turn_has_the_right_bindings) {
    struct nested {
        static net::awaitable<int> plain(int depth) {
            EXPECT_TRUE(has_marks(depth + 1));
            if (depth != 0)
                co_return co_await own(depth - 1) + 1;
            co_return 0;
        }
        static cv::awaitable<int> own(int depth) {
            set_marks(depth + 1);
            co_await timer_tick();
            const int result = co_await plain(depth);
            EXPECT_TRUE(has_marks(depth + 1));
            co_return result;
        }
    };
    run_task([]() -> cv::awaitable<void> {
        const int depth = co_await nested::own(10);
        EXPECT_EQ(depth, 10);
    });
}

TEST_F(AsioStep, with_redirect_error_has_the_same_bindings) {
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        net::steady_timer timer(co_await net::this_coro::executor);
        timer.expires_at(std::chrono::steady_clock::time_point::max());
        net::post(timer.get_executor(), [&] { timer.cancel(); });
        error_code error;
        co_await timer.async_wait(net::redirect_error(net::use_awaitable, error));
        EXPECT_EQ(error, net::error::operation_aborted);
        EXPECT_TRUE(has_marks(1));
    });
}

TEST_F(AsioStep, of_an_object_whose_default_token_is_use_awaitable_has_the_same_bindings) {
    using timer_type = net::use_awaitable_t<>::as_default_on_t<net::steady_timer>;
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        timer_type timer(co_await net::this_coro::executor);
        timer.expires_after(std::chrono::steady_clock::duration::zero());
        co_await timer.async_wait();
        EXPECT_TRUE(has_marks(1));
    });
}

#if CONTEXTVARS_TESTS_HAS_CANCELLATION

TEST_F(AsioStep, that_a_cancellation_slot_ends_has_the_same_bindings) {
    net::io_context context;
    net::cancellation_signal signal;
    bool caught = false;
    std::exception_ptr error;
    cv::co_spawn(
        context,
        [&]() -> cv::awaitable<void> {
            set_marks(1);
            net::steady_timer timer(co_await net::this_coro::executor);
            timer.expires_at(std::chrono::steady_clock::time_point::max());
            net::post(context, [&] { signal.emit(net::cancellation_type::all); });
            try {
                co_await timer.async_wait(net::use_awaitable);
            } catch (const system_error& thrown) {
                caught = thrown.code() == net::error::operation_aborted;
                EXPECT_TRUE(has_marks(1));
            }
            const net::cancellation_state state = co_await net::this_coro::cancellation_state;
            EXPECT_NE(state.cancelled(), net::cancellation_type::none);
            EXPECT_TRUE(has_marks(1));
            co_await timer.async_wait(net::use_awaitable); // throws, as the coroutine is cancelled
        },
        net::bind_cancellation_slot(signal.slot(),
                                    [&](std::exception_ptr thrown) { error = thrown; }));
    run(context);
    EXPECT_TRUE(caught);
    EXPECT_THROW(std::rethrow_exception(error), system_error);
    EXPECT_TRUE(has_no_marks());
}

namespace {

/// Runs task(timer), with the marks of 1, in a coroutine that is cancelled by its slot when it waits for the
/// timer, which never expires.
template <class Task>
void run_cancelled_by_slot(const Task& task) {
    net::io_context context;
    net::cancellation_signal signal;
    bool ended = false;
    cv::co_spawn(
        context,
        [&]() -> cv::awaitable<void> {
            set_marks(1);
            net::steady_timer timer(co_await net::this_coro::executor);
            timer.expires_at(std::chrono::steady_clock::time_point::max());
            net::post(context, [&] { signal.emit(net::cancellation_type::terminal); });
            co_await task(timer);
            ended = true;
        },
        net::bind_cancellation_slot(signal.slot(), net::detached));
    run(context);
    EXPECT_TRUE(ended);
}

} // namespace

TEST_F(AsioStep, after_the_cancellation_state_was_reset_goes_on_in_the_same_bindings) {
    run_cancelled_by_slot([](net::steady_timer& timer) -> cv::awaitable<void> {
        co_await net::this_coro::throw_if_cancelled(false);
        const bool throws = co_await net::this_coro::throw_if_cancelled();
        EXPECT_FALSE(throws);
        error_code error;
        co_await timer.async_wait(net::redirect_error(net::use_awaitable, error));
        EXPECT_EQ(error, net::error::operation_aborted);
        EXPECT_TRUE(has_marks(1));
        co_await net::this_coro::reset_cancellation_state();
        co_await timer_tick();
        EXPECT_TRUE(has_marks(1));
    });
}

#endif

#if CONTEXTVARS_TESTS_HAS_AWAITED_OPERATIONS

TEST_F(AsioStep, after_an_awaited_operation_has_the_same_bindings) {
    net::io_context context;
    ForeignThreads threads;
    run_task(context, [&]() -> cv::awaitable<void> {
        set_marks(1);
        net::steady_timer timer(co_await net::this_coro::executor);
        timer.expires_after(std::chrono::steady_clock::duration::zero());
        co_await timer.async_wait(net::deferred);
        EXPECT_TRUE(has_marks(1));
        set_marks(2);
        co_await net::post(timer.get_executor(), net::deferred);
        EXPECT_TRUE(has_marks(2));
        for (const completion how : completions) {
            cv::Token<int> token = number.set(3);
            co_await threads.async_complete(how, net::deferred);
            EXPECT_EQ(number.get(), 3);
            number.reset(token);
            EXPECT_TRUE(has_marks(2));
        }
    });
}

TEST_F(AsioStep, of_an_awaited_operation_sees_the_awaiter_s_bindings) {
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        bool initiated = false;
        co_await net::async_initiate<const net::deferred_t&, void()>(
            [&](auto handler) {
                initiated = has_marks(1);
                set_marks(2); // in a copy
                net::post(std::move(handler));
            },
            net::deferred);
        EXPECT_TRUE(initiated);
        EXPECT_TRUE(has_marks(1));
        net::steady_timer timer(co_await net::this_coro::executor);
        std::vector<int> seen;
        co_await async_collect(timer, seen, 2, net::deferred);
        EXPECT_EQ(seen.front(), 1);
        EXPECT_TRUE(has_marks(1));
    });
}

TEST_F(AsioStep, of_an_awaited_operation_is_given_an_executor_that_captures) {
    const auto expect_on = [](auto& context, const auto& executor) {
        bool done = false;
        cv::co_spawn(
            executor,
            [&done]() -> cv::awaitable<void> {
                set_marks(1);
                const auto initiation = [](auto handler) {
                    const auto associated = net::get_associated_executor(handler);
                    set_marks(2); // in a copy, of which what is submitted has a copy
                    net::post(associated, [handler = std::move(handler)]() mutable {
                        EXPECT_TRUE(has_marks(2));
                        std::move(handler)();
                    });
                };
                co_await net::async_initiate<const net::deferred_t&, void()>(initiation,
                                                                             net::deferred);
                EXPECT_TRUE(has_marks(1));
                done = true;
            },
            net::detached);
        run(context);
        EXPECT_TRUE(done);
    };
    net::io_context context;
    expect_on(context, context.get_executor());
    net::io_context of_strand;
    expect_on(of_strand, cv::make_strand(of_strand));
    net::io_context of_plain_strand;
    expect_on(of_plain_strand, net::make_strand(of_plain_strand));
    net::io_context erased;
    expect_on(erased, net::any_io_executor(erased.get_executor()));
}

TEST_F(AsioStep, after_an_awaited_operation_that_is_bound_to_a_pool_has_the_same_bindings) {
    net::io_context context;
    net::thread_pool pool(1);
    const auto work = net::make_work_guard(context);
    cv::co_spawn(
        context,
        [&]() -> cv::awaitable<void> {
            set_marks(1);
            co_await net::post(net::bind_executor(pool, net::deferred));
            EXPECT_FALSE(context.get_executor().running_in_this_thread());
            EXPECT_TRUE(has_marks(1));
            net::steady_timer timer(context);
            timer.expires_after(std::chrono::steady_clock::duration::zero());
            const auto [error] =
                co_await timer.async_wait(net::bind_executor(pool, net::as_tuple(net::deferred)));
            EXPECT_FALSE(error);
            EXPECT_TRUE(has_marks(1));
        },
        [&](std::exception_ptr error) {
            EXPECT_FALSE(error);
            context.stop();
        });
    context.run();
    pool.join();
}

TEST_F(AsioStep, of_an_awaited_operation_that_failed_has_the_same_bindings) {
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        net::steady_timer timer(co_await net::this_coro::executor);
        timer.expires_at(std::chrono::steady_clock::time_point::max());
        net::post(timer.get_executor(), [&] { timer.cancel(); });
        const auto [error] = co_await timer.async_wait(net::as_tuple(net::deferred));
        EXPECT_EQ(error, net::error::operation_aborted);
        EXPECT_TRUE(has_marks(1));
        net::post(timer.get_executor(), [&] { timer.cancel(); });
        bool caught = false;
        try {
            co_await timer.async_wait(net::deferred);
        } catch (const system_error&) {
            caught = true;
            EXPECT_TRUE(has_marks(1));
        }
        EXPECT_TRUE(caught);
    });
}

TEST_F(AsioStep, of_an_awaited_operation_that_a_cancellation_slot_ends_has_the_same_bindings) {
    run_cancelled_by_slot([](net::steady_timer& timer) -> cv::awaitable<void> {
        const auto [error] = co_await timer.async_wait(net::as_tuple(net::deferred));
        EXPECT_EQ(error, net::error::operation_aborted);
        EXPECT_TRUE(has_marks(1));
    });
}

TEST_F(AsioStep, with_as_tuple_has_the_same_bindings) {
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        net::steady_timer timer(co_await net::this_coro::executor);
        timer.expires_after(std::chrono::steady_clock::duration::zero());
        const auto [error] = co_await timer.async_wait(net::as_tuple(net::use_awaitable));
        EXPECT_FALSE(error);
        EXPECT_TRUE(has_marks(1));
    });
}

#endif
