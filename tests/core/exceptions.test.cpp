// SPDX-License-Identifier: MIT
//
// The n-th allocation fails, and the n-th copy throws, for every n: what failed changed nothing,
// contexts are balanced, and nothing leaks.
#include <contextvars/contextvars.hpp>

#include "support/counted.hpp"
#include "support/failing_allocation.hpp"
#include "support/isolated.hpp"
#include "support/recorded_diagnostics.hpp"
#include "support/throw_at.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::Counted;
using contextvars_tests::FailingAllocation;
using contextvars_tests::FailingCopy;
using contextvars_tests::for_every_failing_allocation;
using contextvars_tests::for_every_failing_copy;
using contextvars_tests::isolated;
using contextvars_tests::NothingLeaks;
using contextvars_tests::RecordedDiagnostics;
using contextvars_tests::ThrowAt;
using ExceptionsTest = contextvars_tests::Isolated;

namespace {

/// Variables of several kinds, some bound, with a map that is captured or not.
struct World {
    cv::ContextVar<int> number{"number"};
    cv::ContextVar<Counted> counted{"counted"};
    cv::ContextVar<Counted> missing{"missing"};
    std::vector<std::unique_ptr<cv::ContextVar<int>>> others;
    cv::Context captured;
    cv::Context entered;

    explicit World(bool capture, int filler = 20) {
        for (int i = 0; i < filler; ++i) {
            others.push_back(std::make_unique<cv::ContextVar<int>>("other"));
            others.back()->set(i);
        }
        number.set(1);
        counted.set(Counted(1));
        if (capture) {
            captured = cv::copy_context();
        }
    }

    void expect_unchanged() const {
        EXPECT_EQ(cv::copy_context().size(), others.size() + 2);
        EXPECT_EQ(number.get(), 1);
        EXPECT_EQ(counted.get().value, 1);
        EXPECT_EQ(missing.try_get(), nullptr);
        for (std::size_t i = 0; i < others.size(); ++i) {
            EXPECT_EQ(others[i]->get(), static_cast<int>(i));
        }
    }
};

/// Runs operation(world) in a fresh world with its n-th allocation failing, for every n, and checks
/// that a failure changed nothing and leaked nothing. Returns how many allocations failed.
template <class Operation>
long every_allocation_may_fail_in(Operation operation) {
    long failures = 0;
    for (const bool capture : {false, true}) {
        for (const int filler : {0, 20, 100}) {
            failures += for_every_failing_allocation([&](long n) {
                const NothingLeaks leaks;
                isolated([&] {
                    World world(capture, filler);
                    try {
                        const FailingAllocation failing(n);
                        operation(world);
                    } catch (const std::bad_alloc&) {
                        ASSERT_TRUE(FailingAllocation::happened());
                        world.expect_unchanged();
                        if (capture) {
                            EXPECT_TRUE(cv::copy_context() == world.captured);
                        }
                        EXPECT_NO_THROW(world.entered.run([] {})) << "it stayed entered";
                    }
                });
                ASSERT_TRUE(leaks.holds()) << "allocation " << n;
            });
        }
    }
    return failures;
}

} // namespace

TEST_F(ExceptionsTest, in_memory_leave_a_set_undone) {
    EXPECT_GE(every_allocation_may_fail_in([](World& w) { w.number.set(2); }), 2);
    EXPECT_GE(every_allocation_may_fail_in([](World& w) { w.counted.set(Counted(2)); }), 6);
    EXPECT_GE(every_allocation_may_fail_in([](World& w) { w.missing.set(Counted(2)); }), 6);
    EXPECT_GE(every_allocation_may_fail_in([](World& w) { w.missing.emplace(1, 1); }), 6);
}

TEST_F(ExceptionsTest, in_memory_leave_a_variable_missing_when_its_first_set_fails) {
    cv::ContextVar<Counted> v{"v"};
    const long failures = for_every_failing_allocation([&](long n) {
        isolated([&] {
            Counted value(5);
            try {
                const FailingAllocation failing(n);
                v.set(std::move(value));
            } catch (const std::bad_alloc&) {
                EXPECT_EQ(v.try_get(), nullptr);
            }
        });
    });
    EXPECT_GE(failures, 1) << "a value that is not inline needs memory";
}

TEST_F(ExceptionsTest, in_memory_leave_a_reset_undone_and_its_token_usable) {
    for (const bool capture : {false, true}) {
        for (const bool bound_before : {false, true}) {
            const long failures = for_every_failing_allocation([&](long n) {
                const NothingLeaks leaks;
                isolated([&] {
                    World world(false);
                    const auto& variable = bound_before ? world.counted : world.missing;
                    auto token = variable.set(Counted(2));
                    const cv::Context before = capture ? cv::copy_context() : cv::Context();
                    try {
                        const FailingAllocation failing(n);
                        variable.reset(token);
                    } catch (const std::bad_alloc&) {
                        EXPECT_EQ(variable.get().value, 2);
                        EXPECT_EQ(variable.try_reset(token), cv::reset_result::ok);
                    }
                    world.expect_unchanged();
                    EXPECT_EQ(before.contains(variable), capture);
                });
                ASSERT_TRUE(leaks.holds()) << "allocation " << n;
            });
            EXPECT_EQ(failures >= 1, capture)
                << "a map that is shared is cloned, which needs memory";
        }
    }
}

TEST_F(ExceptionsTest, in_memory_never_leave_a_scope_half_bound) {
    EXPECT_GE(
        every_allocation_may_fail_in([](World& w) { auto scope = w.missing.scoped(Counted(2)); }),
        6);
    const long failures = every_allocation_may_fail_in([](World& w) {
        auto scope = cv::scoped(w.number.to(2), w.counted.to(Counted(2)), w.missing.to(Counted(2)));
        EXPECT_EQ(w.number.get(), 2);
        EXPECT_EQ(w.counted.get().value, 2);
        EXPECT_EQ(w.missing.get().value, 2);
    });
    EXPECT_GE(failures, 12) << "two values in each of six worlds need memory";
}

TEST_F(ExceptionsTest, in_memory_at_the_end_of_a_scope_are_told_to_the_hook) {
    int told = 0;
    for_every_failing_allocation([&](long n) {
        isolated([&] {
            World world(false);
            const RecordedDiagnostics diagnostics;
            auto* scope = new auto(world.counted.scoped(Counted(2)));
            const cv::Context captured = cv::copy_context();
            {
                const FailingAllocation failing(n);
                delete scope;
            }
            if (diagnostics.empty()) {
                world.expect_unchanged();
            } else {
                ++told;
                EXPECT_TRUE(FailingAllocation::happened());
                EXPECT_EQ(diagnostics.all()[0].kind, cv::diagnostic_kind::out_of_memory);
                EXPECT_EQ(diagnostics.all()[0].variable, "counted");
                EXPECT_EQ(world.counted.get().value, 2);
            }
            EXPECT_EQ(captured[world.counted].value, 2);
        });
    });
    EXPECT_GE(told, 1);
}

TEST_F(ExceptionsTest, in_memory_leave_contexts_balanced_in_run) {
    const long failures = every_allocation_may_fail_in([](World& w) {
        w.entered.run([&] {
            w.number.set(5);
            w.counted.set(Counted(5));
            cv::Context inner = cv::copy_context();
            inner.run([&] { w.missing.set(Counted(6)); });
            auto guard = inner.enter();
            w.number.set(7);
        });
    });
    EXPECT_GE(failures, 6);
}

TEST_F(ExceptionsTest, in_memory_leave_contexts_balanced_in_bind_context) {
    const long failures = every_allocation_may_fail_in([](World& w) {
        auto bound = cv::bind_context([&] { w.missing.set(Counted(3)); });
        bound();
        const auto erased = std::make_unique<decltype(bound)>(std::move(bound));
        (*erased)();
    });
    EXPECT_GE(failures, 6);
}

TEST_F(ExceptionsTest, in_memory_pass_through_keys_values_items_and_equality) {
    const long failures = every_allocation_may_fail_in([](World& w) {
        const cv::Context now = cv::copy_context();
        EXPECT_EQ(now.keys().size(), now.size());
        EXPECT_EQ(now.values().size(), now.size());
        std::size_t seen = 0;
        for ([[maybe_unused]] auto&& item : now) {
            ++seen;
        }
        EXPECT_EQ(seen, now.size());
        EXPECT_TRUE(now == now.copy());
        EXPECT_EQ(w.number.get(), 1);
    });
    EXPECT_GE(failures, 6) << "a snapshot needs memory";
}

TEST_F(ExceptionsTest, in_memory_leave_no_half_made_variable) {
    const long failures = for_every_failing_allocation([](long n) {
        isolated([n] {
            try {
                const FailingAllocation failing(n);
                cv::ContextVar<Counted> v{std::string(100, 'n'), Counted(1)};
                v.set(Counted(2));
            } catch (const std::bad_alloc&) {
            }
            cv::ContextVar<int> next{"next"};
            EXPECT_EQ(next.try_get(), nullptr);
        });
    });
    EXPECT_GE(failures, 1);
}

TEST_F(ExceptionsTest, in_memory_pass_through_thread) {
    const long failures = every_allocation_may_fail_in(
        [](World& w) { cv::thread([&] { EXPECT_EQ(w.number.get(), 1); }).join(); });
    EXPECT_GE(failures, 3);
}

#if defined(__cpp_lib_jthread)
TEST_F(ExceptionsTest, in_memory_pass_through_jthread) {
    const long failures = every_allocation_may_fail_in(
        [](World& w) { cv::jthread([&] { EXPECT_EQ(w.number.get(), 1); }).join(); });
    EXPECT_GE(failures, 3);
}
#endif

TEST_F(ExceptionsTest, of_copies_leave_a_set_undone) {
    cv::ContextVar<ThrowAt> v{"v"};
    for (const bool bound : {false, true}) {
        for (const bool capture : {false, true}) {
            const long failures = for_every_failing_copy([&](long n) {
                const NothingLeaks leaks;
                isolated([&] {
                    int set = 0; // by the last that did not throw
                    if (bound) {
                        v.set(ThrowAt(set = 1));
                    }
                    const cv::Context before = cv::copy_context();
                    const cv::Context captured = capture ? before : cv::Context();
                    const ThrowAt value(2);
                    try {
                        const FailingCopy failing(n);
                        v.set(value);
                        set = 2;
                        v.emplace(3);
                        set = 3;
                        v.set(ThrowAt(4));
                        set = 4;
                    } catch (const ThrowAt::Error&) {
                    }
                    EXPECT_EQ(v.try_get() == nullptr ? 0 : v.try_get()->value(), set);
                    EXPECT_EQ(before.contains(v), bound);
                });
                ASSERT_TRUE(leaks.holds()) << "copy " << n;
            });
            EXPECT_GE(failures, 3);
        }
    }
}

TEST_F(ExceptionsTest, of_copies_pass_through_get_with_a_fallback) {
    cv::ContextVar<ThrowAt> v{"v"};
    v.set(ThrowAt(1));
    const cv::Context context = cv::copy_context();
    const long failures = for_every_failing_copy([&](long n) {
        const NothingLeaks leaks;
        const ThrowAt fallback(9);
        try {
            const FailingCopy failing(n);
            EXPECT_EQ(v.get(fallback).value(), 1);
            EXPECT_EQ(context.get(v, fallback).value(), 1);
        } catch (const ThrowAt::Error&) {
        }
        EXPECT_EQ(v.get().value(), 1);
        EXPECT_EQ(context[v].value(), 1);
    });
    EXPECT_GE(failures, 2);
}

TEST_F(ExceptionsTest, of_f_leave_contexts_balanced_whatever_is_thrown) {
    cv::ContextVar<int> v{"v", 0};
    for (int depth = 1; depth < 50; ++depth) {
        std::vector<cv::Context> contexts(static_cast<std::size_t>(depth));
        const auto descend = [&](auto&& self, std::size_t level) -> void {
            if (level == contexts.size()) {
                throw depth;
            }
            contexts[level].run([&] {
                auto scope = v.scoped(static_cast<int>(level));
                self(self, level + 1);
            });
        };
        EXPECT_THROW(descend(descend, 0), int);
        EXPECT_EQ(v.get(), 0);
        for (auto& context : contexts) {
            EXPECT_NO_THROW(context.run([] {}));
            EXPECT_TRUE(context.empty());
        }
    }
}
