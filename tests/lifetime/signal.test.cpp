// SPDX-License-Identifier: MIT
//
// try_get of an inline type that is bound may be called from a signal handler, whatever the thread
// was doing when the signal came.
#include <contextvars/contextvars.hpp>

#include "support/failing_allocation.hpp"
#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <sys/time.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::isolated;
using SignalTest = contextvars_tests::Isolated;

namespace {

struct Pair {
    std::int32_t first, second;
};

constinit cv::ContextVar<int> constant{"constant"};
constinit cv::ContextVar<Pair> changing{"changing"};

volatile std::sig_atomic_t signals;
volatile std::sig_atomic_t missing;
volatile std::sig_atomic_t wrong;

void look(int) {
    signals = signals + 1;
    const int* number = constant.try_get();
    const Pair* pair = changing.try_get();
    if (number == nullptr || pair == nullptr) {
        missing = missing + 1;
    } else if (*number != 42 || pair->first != ~pair->second) {
        wrong = wrong + 1;
    }
}

/// Calls `look` on `signal` while it lives.
class Handler {
public:
    explicit Handler(int signal) : signal_(signal) {
        signals = 0;
        missing = 0;
        wrong = 0;
        struct sigaction action = {};
        action.sa_handler = &look;
        action.sa_flags = SA_RESTART;
        sigaction(signal_, &action, &before_);
    }
    ~Handler() { sigaction(signal_, &before_, nullptr); }
    Handler(const Handler&) = delete;
    Handler& operator=(const Handler&) = delete;

private:
    int signal_;
    struct sigaction before_ = {};
};

/// Raises SIGALRM every `microseconds` while it lives.
class Timer {
public:
    explicit Timer(int microseconds) { set(microseconds); }
    ~Timer() { set(0); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

private:
    static void set(int microseconds) {
        itimerval value = {};
        value.it_interval.tv_usec = microseconds;
        value.it_value.tv_usec = microseconds;
        setitimer(ITIMER_REAL, &value, nullptr);
    }
};

} // namespace

TEST_F(SignalTest, a_handler_reads_what_is_bound) {
    constant.set(42);
    changing.set({1, ~1});
    const Handler handler(SIGUSR1);
    ASSERT_EQ(std::raise(SIGUSR1), 0);
    EXPECT_EQ(int{signals}, 1);
    EXPECT_EQ(int{missing}, 0);
    EXPECT_EQ(int{wrong}, 0);
}

TEST_F(SignalTest, a_handler_reads_the_context_that_is_entered) {
    constant.set(42);
    changing.set({1, ~1});
    const Handler handler(SIGUSR1);
    cv::Context copy = cv::copy_context();
    copy.run([] {
        changing.set({2, ~2});
        std::raise(SIGUSR1);
    });
    isolated([] { std::raise(SIGUSR1); });
    EXPECT_EQ(int{signals}, 2);
    EXPECT_EQ(int{missing}, 1) << "nothing is bound in an empty context";
    EXPECT_EQ(int{wrong}, 0);
}

TEST_F(SignalTest, a_handler_finds_its_variables_bound_and_whole_whatever_it_interrupts) {
    using std::chrono::steady_clock;
    std::vector<std::unique_ptr<cv::ContextVar<std::string>>> others;
    for (int i = 0; i < 70; ++i) {
        others.push_back(std::make_unique<cv::ContextVar<std::string>>("other"));
    }
    constant.set(42);
    changing.set({0, ~0});
    const Handler handler(SIGALRM);
    const auto give_up = steady_clock::now() + std::chrono::seconds(20);
    long rounds = 0;
    {
        const Timer timer(100);
        while (signals < 2000 && steady_clock::now() < give_up) {
            const auto i = static_cast<std::int32_t>(++rounds);
            changing.set({i, ~i});
            const cv::Context captured = cv::copy_context();
            auto token = changing.set({-i, ~-i});
            auto& other = *others[static_cast<std::size_t>(rounds) % others.size()];
            other.set("a text that is too long for the small string buffer");
            changing.reset(token);
            cv::Context copy = captured;
            copy.run([&] {
                auto scope = changing.scoped({i + 1, ~(i + 1)});
                other.set("another");
            });
            cv::bind_context([&] { changing.set({i + 2, ~(i + 2)}); })();
            cv::ContextVar<int> dynamic{"dynamic"};
            auto scope = dynamic.scoped(1);
        }
    }
    RecordProperty("signals", static_cast<int>(signals));
    EXPECT_EQ(int{missing}, 0);
    EXPECT_EQ(int{wrong}, 0);
    if (signals == 0) {
        GTEST_SKIP() << "no signal came";
    }
}

TEST_F(SignalTest, a_handler_finds_its_variables_bound_after_every_allocation_and_deallocation) {
    // The moments at which a map grows, is parted from a copy or goes: a signal at each of them. On a
    // thread of its own, which has no free memory of the library to use again.
    std::vector<std::unique_ptr<cv::ContextVar<int>>> numbers;
    std::vector<std::unique_ptr<cv::ContextVar<std::string>>> texts;
    for (int i = 0; i < 300; ++i) {
        numbers.push_back(std::make_unique<cv::ContextVar<int>>("number"));
        texts.push_back(std::make_unique<cv::ContextVar<std::string>>("text"));
    }
    const Handler handler(SIGUSR1);
    std::thread([&] {
        cv::Context context;
        context.run([&] {
            constant.set(42);
            changing.set({1, ~1});
            contextvars_tests::allocations::after_each = [] { std::raise(SIGUSR1); };
            for (std::size_t i = 0; i < numbers.size(); ++i) {
                numbers[i]->set(1);
                texts[i]->set("a text that is too long for the small string buffer");
                if (i % 7 == 0) {
                    const cv::Context captured = cv::copy_context();
                    auto token = numbers[i / 2]->set(2);
                    changing.set({static_cast<int>(i), ~static_cast<int>(i)});
                    numbers[i / 2]->reset(token);
                    cv::Context copy = captured;
                    copy.run([&] { texts[i / 2]->set("another"); });
                }
            }
            contextvars_tests::allocations::after_each = nullptr;
        });
    }).join();
    EXPECT_GE(int{signals}, 600);
    EXPECT_EQ(int{missing}, 0);
    EXPECT_EQ(int{wrong}, 0);
}
