// SPDX-License-Identifier: MIT
#include <contextvars/propagation/stop_clock.hpp>

#include <contextvars/contextvars.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <latch>
#include <optional>
#include <vector>

using namespace contextvars::propagation;
using namespace std::chrono_literals;

namespace {

/// Waits until stop is requested.
void wait_for(const std::stop_token& token) {
    std::latch stopped(1);
    const std::stop_callback callback(token, [&] { stopped.count_down(); });
    stopped.wait();
}

TEST(StopClock, stops_when_the_current_deadline_passes) {
    stop_clock clock;
    const auto limit = limit_deadline(20ms);
    const auto stop = clock.stop_at();
    wait_for(stop.token());
    EXPECT_TRUE(current_deadline.get().passed());
}

TEST(StopClock, stops_at_once_if_the_deadline_has_passed) {
    stop_clock clock;
    const auto limit = limit_deadline(-1s);
    EXPECT_TRUE(clock.stop_at().token().stop_requested());
}

TEST(StopClock, never_stops_without_a_deadline_and_can_be_stopped_for_another_reason) {
    stop_clock clock;
    const auto stop = clock.stop_at();
    EXPECT_TRUE(stop.token().stop_possible());
    EXPECT_FALSE(stop.token().stop_requested());
    stop.source().request_stop();
    EXPECT_TRUE(stop.token().stop_requested());
}

TEST(StopClock, stops_in_the_order_of_the_deadlines_whatever_that_of_the_calls) {
    stop_clock clock;
    const auto now = deadline::clock::now();
    const auto last = clock.stop_at(deadline::after(60ms, now));
    const auto first = clock.stop_at(deadline::after(20ms, now));
    const auto far = clock.stop_at(deadline::after(1h, now));
    const auto same = clock.stop_at(deadline::after(60ms, now));
    wait_for(first.token());
    EXPECT_GE(deadline::clock::now() - now, 20ms);
    wait_for(last.token());
    wait_for(same.token());
    EXPECT_TRUE(first.token().stop_requested());
    EXPECT_FALSE(far.token().stop_requested());
}

TEST(StopClock, stops_nothing_whose_object_has_ended) {
    stop_clock clock;
    const deadline soon = deadline::after(20ms);
    std::optional<std::stop_token> token;
    {
        const auto stop = clock.stop_at(soon);
        token = stop.token();
    }
    const auto other = clock.stop_at(soon);
    wait_for(other.token());
    EXPECT_FALSE(token->stop_requested());
}

TEST(StopClock, may_be_asked_by_a_callback_that_it_calls) {
    stop_clock clock;
    const auto stop = clock.stop_at(deadline::after(1ms));
    std::latch done(1);
    const std::stop_callback callback(stop.token(), [&] {
        EXPECT_TRUE(clock.stop_at(deadline::after(-1s)).token().stop_requested());
        static_cast<void>(clock.stop_at(deadline::after(1h)));
        done.count_down();
    });
    done.wait();
}

TEST(StopClock, serves_several_threads) {
    stop_clock clock;
    std::vector<contextvars::thread> threads;
    for (int i = 0; i != 4; ++i)
        threads.emplace_back([&clock] {
            for (int j = 0; j != 50; ++j) {
                const auto limit = limit_deadline(std::chrono::microseconds(100 * (j % 5)));
                const auto stop = clock.stop_at();
                if (j % 2 == 0)
                    wait_for(stop.token());
            }
        });
    for (auto& thread : threads)
        thread.join();
}

} // namespace
