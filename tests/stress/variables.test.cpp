// SPDX-License-Identifier: MIT
//
// Variables that many threads make, bind, list and destroy at the same time.
#include <contextvars/contextvars.hpp>

#include "support/isolated.hpp"
#include "support/stress.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <cstddef>
#include <deque>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::budget;
using contextvars_tests::isolated;
using contextvars_tests::parties;
using contextvars_tests::StressTest;

TEST_F(StressTest, variables_are_made_and_destroyed_by_all_at_once) {
    cv::ContextVar<int> steady{"steady"};
    at_once([&](int index) {
        long failures = 0;
        steady.set(index);
        const long batches = budget() / parties / 4 / 64;
        for (long batch = 0; batch < batches; ++batch) {
            isolated([&] { // bindings of destroyed variables stay: begin again for each batch
                steady.set(index);
                for (int i = 0; i < 64; ++i) {
                    cv::ContextVar<int> number{"number"};
                    cv::ContextVar<std::string> text{"text"};
                    failures += number.try_get() == nullptr && text.try_get() == nullptr ? 0 : 1;
                    number.set(index);
                    text.set(std::to_string(index));
                    failures += number.get() == index ? 0 : 1;
                    failures += text.get() == std::to_string(index) ? 0 : 1;
                    failures += steady.get() == index ? 0 : 1;
                }
            });
        }
        failures += steady.get() == index ? 0 : 1;
        tally(batches * 64 * 4, failures);
    });
}

TEST_F(StressTest, a_thread_prints_what_another_one_bound_first_without_having_met_it) {
    // The two share the variables and nothing else: the flag orders them, and synchronises nothing.
    constexpr int count = 1100; // which needs more room for names and types than there was before
    std::deque<cv::ContextVar<std::string>> variables;
    for (int i = 0; i < count; ++i) {
        variables.emplace_back("variable " + std::to_string(i));
    }
    std::atomic<int> bound = 0;
    std::thread first([&] {
        for (int i = 0; i < count; ++i) {
            const auto scope = variables[static_cast<std::size_t>(i)].scoped("first");
            bound.store(i + 1, std::memory_order_relaxed);
        }
    });
    std::thread second([&] {
        for (int i = 0; i < count; ++i) {
            while (bound.load(std::memory_order_relaxed) <= i) {
                std::this_thread::yield();
            }
            auto token = variables[static_cast<std::size_t>(i)].set("second");
            const cv::Context context = cv::copy_context();
            std::ostringstream out;
            out << context << token;
            EXPECT_NE(out.str().find("variable " + std::to_string(i) + "='second'"),
                      std::string::npos);
            EXPECT_TRUE(context == context.copy());
            for (auto&& [variable, value] : context) {
                EXPECT_TRUE(variable.exists());
                EXPECT_NE(value.as<std::string>(), nullptr);
            }
            variables[static_cast<std::size_t>(i)].reset(token);
        }
    });
    first.join();
    second.join();
}

TEST_F(StressTest, one_variable_has_a_value_of_its_own_on_every_thread) {
    cv::ContextVar<int> number{"number", -1};
    cv::ContextVar<std::string> text{"text"};
    at_once([&](int index) {
        long failures = 0;
        const long rounds = budget() / parties / 2;
        for (long i = 0; i < rounds; ++i) {
            auto scope = number.scoped(index);
            auto inner = text.scoped(std::to_string(index));
            failures += number.get() == index ? 0 : 1;
            failures += text.get() == std::to_string(index) ? 0 : 1;
        }
        failures += number.get() == -1 ? 0 : 1;
        tally(rounds * 2, failures);
    });
}

TEST_F(StressTest, a_context_is_listed_printed_and_compared_while_its_variables_are_destroyed) {
    constexpr int count = 40;
    const long rounds = budget() / parties / count / 2;
    std::vector<std::unique_ptr<cv::ContextVar<int>>> variables;
    cv::Context context;
    cv::Context same;
    std::barrier step(parties);
    at_once([&](int index) {
        long failures = 0;
        for (long round = 0; round < rounds; ++round) {
            if (index == 0) {
                context = cv::Context();
                same = cv::Context();
                for (int i = 0; i < count; ++i) {
                    variables.push_back(std::make_unique<cv::ContextVar<int>>("listed", i));
                    context.run([&] { variables.back()->set(i); });
                    same.run([&] { variables.back()->set(i); });
                }
            }
            step.arrive_and_wait();
            if (index == 0) {
                variables.clear();
                cv::ContextVar<int> next{"next"};
                failures += context.contains(next) ? 1 : 0;
            } else {
                for (auto&& [variable, value] : context) {
                    failures += variable.name() == "listed" ? 0 : 1;
                    failures += value.template as<int>() != nullptr ? 0 : 1;
                }
                failures += context == same ? 0 : 1;
                std::ostringstream out;
                out << context;
                failures += out.str().find("listed") != std::string::npos ? 0 : 1;
            }
            step.arrive_and_wait();
        }
        tally(rounds * count * 2, failures);
    });
}
