// SPDX-License-Identifier: MIT
//
// Many threads on the same contexts, values, tokens and bound callables.
#include <contextvars/contextvars.hpp>
#include <contextvars/ext/flow.hpp>

#include "support/counted.hpp"
#include "support/isolated.hpp"
#include "support/stress.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <iostream>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::budget;
using contextvars_tests::Counted;
using contextvars_tests::isolated;
using contextvars_tests::parties;
using contextvars_tests::StressTest;

namespace {

/// Two strings and two numbers that are always set together: a snapshot has four times the same.
struct Together {
    cv::ContextVar<int> a{"a"};
    cv::ContextVar<std::string> b{"b"};
    cv::ContextVar<int> c{"c"};
    cv::ContextVar<Counted> d{"d"};

    void set(int i) const {
        a.set(i);
        b.set(std::to_string(i) + " and so on, too long for the small string buffer");
        c.set(i);
        d.set(Counted(i));
    }
    /// What the bindings of a context say; -1 where they contradict each other by more than `slack`
    /// (a snapshot may fall between two of the four sets).
    int read(const cv::Context& snapshot, int slack) const {
        const int* first = snapshot.get(a);
        const std::string* text = snapshot.get(b);
        const int* third = snapshot.get(c);
        const Counted* fourth = snapshot.get(d);
        if (first == nullptr || text == nullptr || third == nullptr || fourth == nullptr) {
            return -1;
        }
        const int second = std::stoi(*text);
        const bool ordered = *first >= second && second >= *third && *third >= fourth->value;
        return ordered && *first - fourth->value <= slack ? *first : -1;
    }
};

} // namespace

TEST_F(StressTest, what_was_captured_of_a_context_that_is_gone_is_called_by_all_at_once) {
    // Nobody shares the map with what is bound, and it has not been captured before.
    for (int round = 0; round < 20; ++round) {
        cv::ContextVar<int> v{"v"};
        cv::ContextVar<int> w{"w"};
        auto context = std::make_unique<cv::Context>();
        auto same = std::make_unique<cv::Context>();
        context->run([&] { v.set(round); });
        same->run([&] { v.set(round); });
        const auto bound = cv::bind_context(*context, [&] {
            const bool right = v.get() == round && w.try_get() == nullptr;
            w.set(1);
            return right;
        });
        const cv::ext::snapshot snapshot(*same);
        context.reset();
        same.reset();
        at_once([&](int) {
            long failures = 0;
            for (int i = 0; i < 100; ++i) {
                failures += bound() ? 0 : 1;
                const cv::ext::copy_scope scope(snapshot);
                failures += v.get() == round ? 0 : 1;
            }
            tally(100, failures);
        });
    }
}

TEST_F(StressTest, one_context_and_copies_of_it_are_captured_inside_by_all_at_once) {
    for (int round = 0; round < 50; ++round) {
        cv::ContextVar<int> v{"v"};
        cv::Context context; // whose map was not captured before
        context.run([&] { v.set(round); });
        const auto capture = [&] {
            return *cv::copy_context().get(v) == round && *cv::copy_context().get(v) == round;
        };
        at_once([&](int index) {
            const bool right =
                index == 0 ? context.run(capture) : cv::Context(context).run(capture);
            tally(1, right ? 0 : 1);
        });
    }
}

TEST_F(StressTest, what_another_thread_has_read_and_dropped_is_changed_in_place) {
    cv::ContextVar<int> number{"number"};
    cv::ContextVar<std::string> text{"text"}; // so that the map is shared
    text.set("text");
    number.set(0);
    for (int round = 1; round <= 50; ++round) {
        std::optional<cv::Context> shared(cv::copy_context());
        // Orders the two, and synchronises nothing: that is left to the count of references.
        std::atomic<bool> dropped = false;
        std::thread other([&] {
            const bool right = *shared->get(number) == round - 1;
            shared.reset();
            tally(1, right ? 0 : 1);
            dropped.store(true, std::memory_order_relaxed);
        });
        while (!dropped.load(std::memory_order_relaxed)) {
            std::this_thread::yield();
        }
        number.set(round);
        other.join();
    }
}

TEST_F(StressTest, one_bound_callable_is_called_by_all_at_once) {
    cv::ContextVar<int> number{"number"};
    cv::ContextVar<std::string> text{"text"};
    cv::ContextVar<Counted> counted{"counted"};
    number.set(-1);
    text.set("captured, and too long for the small string buffer");
    counted.set(Counted(-1));
    const auto bound = cv::bind_context([&](int i) {
        long failures = 0;
        failures += number.get() == -1 ? 0 : 1;
        failures += text.get() == "captured, and too long for the small string buffer" ? 0 : 1;
        failures += counted.get().value == -1 ? 0 : 1;
        auto token = number.set(i);
        text.set("changed");
        counted.set(Counted(i));
        failures += number.get() == i && counted.get().value == i ? 0 : 1;
        number.reset(token);
        failures += number.get() == -1 ? 0 : 1;
        return failures;
    });
    at_once([&](int index) {
        long failures = 0;
        const long rounds = budget() / parties / 5;
        for (long i = 0; i < rounds; ++i) {
            failures += bound(static_cast<int>(i) * parties + index);
        }
        tally(rounds * 5, failures);
    });
    EXPECT_EQ(number.get(), -1);
}

TEST_F(StressTest, one_idle_context_is_read_and_copied_by_all_at_once) {
    const Together together;
    cv::Context context;
    context.run([&] { together.set(5); });
    at_once([&](int) {
        long failures = 0;
        const long rounds = budget() / parties / 4;
        for (long i = 0; i < rounds; ++i) {
            // Nobody has entered it, so nobody may be told that it is entered.
            try {
                const cv::Context copy = context;
                failures += together.read(copy, 0) == 5 ? 0 : 1;
                failures += *context.get(together.a) == 5 ? 0 : 1;
                failures += context.size() == 4 && context.contains(together.d) ? 0 : 1;
                failures += copy == context ? 0 : 1;
            } catch (const cv::RuntimeError&) {
                ++failures;
            }
        }
        tally(rounds * 4, failures);
    });
}

TEST_F(StressTest, a_context_that_runs_gives_snapshots_or_refuses) {
    const Together together;
    cv::Context context;
    context.run([&] { together.set(1); });
    std::atomic<int> readers = parties - 1;
    std::atomic<long> snapshots = 0;
    std::atomic<long> refusals = 0;
    at_once([&](int index) {
        if (index == 0) {
            long failures = 0;
            for (int i = 2; readers > 0; ++i) {
                try {
                    context.run([&] {
                        together.set(i);
                        isolated([&] { together.set(-5); });
                    });
                } catch (const cv::RuntimeError&) {
                    ++failures; // a reader is no reason to refuse the one that runs it
                }
            }
            tally(0, failures);
            return;
        }
        long failures = 0;
        int last = 1;
        const long rounds = budget() / (parties - 1);
        for (long i = 0; i < rounds || last == 1; ++i) { // until the other thread was seen to set
            try {
                const cv::Context copy = context;
                const int seen = together.read(copy, 1);
                failures += seen >= last ? 0 : 1; // time does not go backwards
                last = seen;
                snapshots.fetch_add(1, std::memory_order_relaxed);
            } catch (const cv::RuntimeError&) {
                refusals.fetch_add(1, std::memory_order_relaxed);
            }
        }
        tally(rounds, failures);
        --readers;
    });
    std::cout << snapshots << " snapshots, " << refusals << " refusals\n";
}

TEST_F(StressTest, every_reading_member_may_be_called_while_another_thread_runs_the_context) {
    const Together together;
    cv::Context context;
    context.run([&] { together.set(1); });
    std::atomic<int> readers = parties - 1;
    at_once([&](int index) {
        if (index == 0) {
            for (int i = 2; readers > 0; ++i) {
                context.run([&] { together.set(i); });
            }
            return;
        }
        long failures = 0;
        const long rounds = budget() / (parties - 1) / 6;
        const cv::Context other;
        for (long i = 0; i < rounds; ++i) {
            const auto refused_or = [&](auto check) {
                try {
                    failures += check() ? 0 : 1;
                } catch (const cv::RuntimeError&) {
                    return; // it is running elsewhere, and says so
                }
            };
            refused_or([&] { return context.size() == 4; });
            refused_or([&] { return !context.empty() && context.contains(together.b); });
            refused_or([&] { return context.get(together.a, -1) > 0; });
            refused_or([&] { return context.get(together.d, Counted(-1)).value > 0; });
            refused_or([&] { return !(context == other); });
            refused_or([&] {
                std::size_t listed = 0;
                for (auto&& [variable, value] : context) {
                    const auto* text = value.template as<std::string>();
                    listed += text == nullptr || text->size() > 20 ? 1 : 0;
                }
                return listed == 4;
            });
        }
        tally(rounds * 6, failures);
        --readers;
    });
}

TEST_F(StressTest, one_context_is_entered_by_one_thread_at_a_time) {
    cv::ContextVar<long> count{"count", 0};
    cv::Context context;
    std::atomic<int> inside = 0;
    std::atomic<long> entered = 0;
    at_once([&](int) {
        long failures = 0;
        const long rounds = budget() / parties;
        for (long i = 0; i < rounds; ++i) {
            try {
                context.run([&] {
                    failures += inside.fetch_add(1) == 0 ? 0 : 1;
                    count.set(count.get() + 1);
                    entered.fetch_add(1, std::memory_order_relaxed);
                    failures += inside.fetch_sub(1) == 1 ? 0 : 1;
                });
            } catch (const cv::RuntimeError&) {
                continue; // another thread is inside
            }
        }
        tally(rounds, failures);
    });
    EXPECT_GE(entered, 1);
    EXPECT_EQ(*context.get(count), entered) << "two threads were inside at once";
}

TEST_F(StressTest, what_is_done_in_a_context_is_seen_by_who_enters_it_next) {
    cv::Context context; // in which nothing is set
    long entered = 0;
    std::atomic<long> expected = 0;
    at_once([&](int) {
        const long rounds = budget() / parties;
        for (long i = 0; i < rounds; ++i) {
            try {
                context.run([&] { ++entered; });
                expected.fetch_add(1, std::memory_order_relaxed);
            } catch (const cv::RuntimeError&) {
                continue; // another thread is inside
            }
        }
        tally(rounds, 0);
    });
    EXPECT_EQ(entered, expected);
}

TEST_F(StressTest, contexts_values_and_tokens_die_on_other_threads) {
    struct Parcel {
        std::optional<cv::Context> context;
        std::optional<cv::Token<Counted>> token;
        std::optional<cv::Token<std::string>> text_token;
    };
    cv::ContextVar<Counted> counted{"counted"};
    cv::ContextVar<std::string> text{"text"};
    std::vector<std::vector<Parcel>> boxes(parties);
    std::barrier exchange(parties);
    const long batch = 200;
    const long rounds = budget() / parties / batch / 2;
    at_once([&](int index) {
        long failures = 0;
        counted.set(Counted(-1));
        for (long round = 0; round < rounds; ++round) {
            auto& mine = boxes[static_cast<std::size_t>(index)];
            for (int i = 0; i < batch; ++i) {
                Parcel parcel;
                parcel.token.emplace(counted.set(Counted(i)));
                parcel.text_token.emplace(text.set("a text that is too long for the small buffer"));
                parcel.context = cv::copy_context();
                mine.push_back(std::move(parcel));
            }
            exchange.arrive_and_wait();
            auto& theirs = boxes[static_cast<std::size_t>((index + 1 + round % 5) % parties)];
            for (int i = 0; i < batch; ++i) {
                auto& parcel = theirs[static_cast<std::size_t>(i)];
                failures += (*parcel.context)[counted].value == i ? 0 : 1;
                failures +=
                    counted.try_reset(*parcel.token) == cv::reset_result::wrong_context ? 0 : 1;
                parcel.context->run([&] { counted.set(Counted(-i)); });
            }
            theirs.clear();
            exchange.arrive_and_wait();
        }
        tally(rounds * batch * 2, failures);
    });
}
