// SPDX-License-Identifier: MIT
//
// What the stress tests share: many threads that begin at once, and a tally of checks. Failures are
// counted, since EXPECT_ is slow in inner loops. CONTEXTVARS_STRESS_CHECKS (default 10,400,000; less
// when sanitised) is shared out among the tests.
#ifndef CONTEXTVARS_TESTS_SUPPORT_STRESS_HPP
#define CONTEXTVARS_TESTS_SUPPORT_STRESS_HPP

#include "support/counted.hpp"
#include "support/environment.hpp"

#include <contextvars/contextvars.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <iostream>
#include <thread>
#include <vector>

namespace contextvars_tests {

inline constexpr int parties = 8;

/// How many checks each of the tests is to make, in total over its threads.
inline long budget() {
    static const long checks =
        from_environment("CONTEXTVARS_STRESS_CHECKS", sanitized ? 400'000 : 10'400'000);
    return checks / 8;
}

/// Counts checks; when a test is over and its context gone, prints them and looks for leaks.
struct Tally {
    ~Tally() {
        std::cout << made << " checks, " << wrong << " wrong\n";
        EXPECT_EQ(wrong, 0);
    }
    NothingLeaks leaks;
    std::atomic<long> made = 0;
    std::atomic<long> wrong = 0;
};

class StressTest : public ::testing::Test {
protected:
    /// Runs f(index) on as many threads as there are parties, all beginning at once.
    template <class F>
    void at_once(F f) {
        std::barrier start(parties);
        std::vector<std::thread> threads;
        for (int i = 0; i < parties; ++i) {
            threads.emplace_back([&, i] {
                start.arrive_and_wait();
                f(i);
            });
        }
        for (auto& thread : threads) {
            thread.join();
        }
    }

    void tally(long checks, long failures) {
        tally_.made += checks;
        tally_.wrong += failures;
    }

private:
    Tally tally_; // the first member is the last to go
    contextvars::Context fresh_;
    decltype(fresh_.enter()) entered_ = fresh_.enter();
};

} // namespace contextvars_tests

#endif
