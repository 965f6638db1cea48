// SPDX-License-Identifier: MIT
//
// Entering and leaving contexts, by run() and by the guard of enter().
#include <contextvars/context.hpp>

#include <contextvars/contextvars.hpp>

#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

namespace cv = contextvars;
using contextvars_tests::message_of;
using RunTest = contextvars_tests::Isolated;

namespace {
using entered = decltype(std::declval<cv::Context&>().enter());
static_assert(!std::is_copy_constructible_v<entered> && !std::is_move_constructible_v<entered>);
static_assert(!std::is_copy_assignable_v<entered> && !std::is_move_assignable_v<entered>);
} // namespace

TEST_F(RunTest, keeps_what_is_set_while_it_runs) {
    cv::ContextVar<int> v{"v"};
    cv::Context context;
    context.run([&] { v.set(1); });
    EXPECT_EQ(v.try_get(), nullptr);
    EXPECT_EQ(*context.get(v), 1);
    context.run([&] { EXPECT_EQ(v.get(), 1); });
}

TEST_F(RunTest, that_is_new_hides_what_is_current) {
    cv::ContextVar<int> v{"v"};
    v.set(1);
    cv::Context context;
    context.run([&] { EXPECT_EQ(v.try_get(), nullptr); });
    EXPECT_EQ(v.get(), 1);
}

TEST_F(RunTest, gives_back_what_f_returns) {
    cv::Context context;
    int object = 0;
    static_assert(std::is_void_v<decltype(context.run([] {}))>);
    static_assert(std::is_same_v<decltype(context.run([&]() -> int& { return object; })), int&>);
    static_assert(
        std::is_same_v<decltype(context.run([&]() -> int&& { return std::move(object); })), int&&>);
    EXPECT_EQ(context.run([] { return 4; }), 4);
    EXPECT_EQ(&context.run([&]() -> int& { return object; }), &object);
    EXPECT_EQ(*context.run([] { return std::make_unique<int>(5); }), 5);
}

TEST_F(RunTest, gives_back_a_result_that_cannot_be_moved) {
    struct Pinned {
        Pinned() = default;
        Pinned(Pinned&&) = delete;
        int value = 6;
    };
    cv::Context context;
    const Pinned result = context.run([] { return Pinned(); });
    EXPECT_EQ(result.value, 6);
}

TEST_F(RunTest, forwards_arguments_as_they_are) {
    cv::Context context;
    int lvalue = 1;
    auto sum = [](int& a, const std::string& b, std::unique_ptr<int> c) {
        a += static_cast<int>(b.size()) + *c;
        return &a;
    };
    EXPECT_EQ(context.run(sum, lvalue, "four", std::make_unique<int>(10)), &lvalue);
    EXPECT_EQ(lvalue, 15);
}

TEST_F(RunTest, calls_f_with_the_value_category_it_was_given) {
    struct F {
        char operator()() & { return 'l'; }
        char operator()() const& { return 'c'; }
        char operator()() && { return 'r'; }
    };
    cv::Context context;
    F f;
    EXPECT_EQ(context.run(f), 'l');
    EXPECT_EQ(context.run(std::as_const(f)), 'c');
    EXPECT_EQ(context.run(F()), 'r');
}

TEST_F(RunTest, runs_functions_and_members) {
    struct S {
        int twice(int x) const { return 2 * x; }
        int member = 3;
    };
    cv::Context context;
    const S s;
    EXPECT_EQ(context.run(&S::twice, s, 4), 8);
    EXPECT_EQ(context.run(&S::member, s), 3);
    EXPECT_EQ(context.run(+[](int x) { return x + 1; }, 1), 2);
}

TEST_F(RunTest, keeps_what_was_set_before_f_threw_and_can_run_again) {
    cv::ContextVar<int> v{"v"};
    v.set(0);
    cv::Context context;
    const auto fails = [&] {
        v.set(1);
        throw std::logic_error("mine");
    };
    EXPECT_EQ(message_of<std::logic_error>([&] { context.run(fails); }), "mine");
    EXPECT_EQ(v.get(), 0);
    EXPECT_EQ(*context.get(v), 1);
    EXPECT_EQ(context.run([&] { return v.get(); }), 1);
}

TEST_F(RunTest, lets_exceptions_pass_that_derive_from_nothing) {
    cv::Context context;
    EXPECT_THROW(context.run([] { throw 42; }), int);
    EXPECT_EQ(context.run([] { return 1; }), 1);
}

TEST_F(RunTest, cannot_be_entered_while_it_is_entered) {
    cv::ContextVar<int> v{"v", 0};
    cv::Context context;
    bool called = false;
    context.run([&] {
        v.set(1);
        EXPECT_THROW(context.run([&] { called = true; }), cv::RuntimeError);
        EXPECT_THROW(auto again = context.enter(), cv::RuntimeError);
        EXPECT_EQ(v.get(), 1) << "the failure changed what is current";
    });
    EXPECT_FALSE(called);
    EXPECT_EQ(v.get(), 0);
}

TEST_F(RunTest, cannot_be_entered_through_another_context_either) {
    cv::ContextVar<int> v{"v", 0};
    cv::Context outer;
    cv::Context inner;
    outer.run([&] {
        v.set(1);
        inner.run([&] {
            v.set(2);
            EXPECT_THROW(outer.run([] {}), cv::RuntimeError);
            EXPECT_EQ(v.get(), 2);
        });
        EXPECT_EQ(v.get(), 1);
    });
}

TEST_F(RunTest, cannot_be_entered_while_another_thread_has_entered_it) {
    cv::Context context;
    context.run([&] {
        std::thread([&] {
            bool called = false;
            EXPECT_THROW(context.run([&] { called = true; }), cv::RuntimeError);
            EXPECT_FALSE(called);
        }).join();
    });
    std::thread([&] { EXPECT_EQ(context.run([] { return 1; }), 1); }).join();
}

TEST_F(RunTest, gives_other_threads_copies_of_values_and_no_references_to_them) {
    cv::ContextVar<int> v{"v"};
    cv::Context context;
    context.run([&] { v.set(1); });
    context.run([&] {
        v.set(2);
        std::thread([&] {
            EXPECT_THROW(static_cast<void>(context.get(v)), cv::RuntimeError);
            EXPECT_THROW(static_cast<void>(context[v]), cv::RuntimeError);
            EXPECT_EQ(context.get(v, 0), 1) << "what it was when it was entered";
        }).join();
        EXPECT_EQ(*context.get(v), 2);
    });
}

TEST_F(RunTest, of_an_rvalue_leaves_bindings_that_stay_while_the_next_one_changes_them) {
    cv::ContextVar<int> v{"v"};
    cv::Context context;
    std::move(context).run([&] { v.set(1); });
    context.run([&] {
        v.set(2);
        std::thread([&] { EXPECT_EQ(context.get(v, 0), 1); }).join();
    });
    EXPECT_EQ(*context.get(v), 2);
}

TEST_F(RunTest, stays_entered_from_enter_to_the_end_of_the_guard) {
    cv::ContextVar<int> v{"v", 0};
    cv::Context context;
    {
        auto guard = context.enter();
        v.set(1);
        EXPECT_THROW(context.run([] {}), cv::RuntimeError);
    }
    EXPECT_EQ(v.get(), 0);
    EXPECT_EQ(context.run([&] { return v.get(); }), 1);
}

TEST_F(RunTest, gives_back_the_context_before_when_guards_nest) {
    cv::ContextVar<int> v{"v", 0};
    cv::Context a;
    cv::Context b;
    {
        auto in_a = a.enter();
        v.set(1);
        {
            auto in_b = b.enter();
            v.set(2);
        }
        EXPECT_EQ(v.get(), 1);
    }
    EXPECT_EQ(v.get(), 0);
    EXPECT_EQ(*b.get(v), 2);
}

TEST_F(RunTest, is_left_when_an_exception_passes_its_guard) {
    cv::ContextVar<int> v{"v", 0};
    cv::Context context;
    EXPECT_THROW(
        {
            auto guard = context.enter();
            v.set(1);
            throw 1;
        },
        int);
    EXPECT_EQ(v.get(), 0);
    EXPECT_EQ(context.run([&] { return v.get(); }), 1);
}

TEST_F(RunTest, gives_back_a_context_before_that_was_changed_meanwhile) {
    cv::ContextVar<std::string> v{"v"};
    v.set("outer");
    cv::Context inner;
    cv::Context captured = cv::copy_context();
    inner.run([&] { captured = cv::Context(); }); // drops the other reference to the outer map
    EXPECT_EQ(v.get(), "outer");
    v.set("again");
    EXPECT_EQ(v.get(), "again");
}

// An rvalue is nobody else's to see, so nothing is shown of it; all the rest is as ever.

TEST_F(RunTest, of_an_rvalue_keeps_what_is_set_also_when_f_throws) {
    cv::ContextVar<int> v{"v"};
    cv::ContextVar<std::string> large{"large"};
    v.set(1);
    cv::Context context = cv::copy_context();
    for (int i = 2; i != 10; ++i) {
        try {
            std::move(context).run([&] {
                v.set(i);
                large.set(std::string(100, 'x'));
                throw i;
            });
        } catch (int) {
        }
        EXPECT_EQ(*context.get(v), i);
        EXPECT_EQ(context.get(large)->size(), 100U);
        EXPECT_EQ(v.get(), 1);
        context.run([&] { EXPECT_EQ(v.get(), i); });
    }
}

TEST_F(RunTest, of_an_rvalue_leaves_copies_taken_meanwhile_and_before_as_they_were) {
    cv::ContextVar<int> v{"v"};
    cv::Context context;
    context.run([&] { v.set(1); });
    const cv::Context before = context;
    cv::Context meanwhile;
    std::move(context).run([&] {
        v.set(2);
        EXPECT_EQ(*context.get(v), 2);
        meanwhile = context;
        v.set(3);
        EXPECT_EQ(*context.get(v), 3);
    });
    EXPECT_EQ(*before.get(v), 1);
    EXPECT_EQ(*meanwhile.get(v), 2);
    EXPECT_EQ(*context.get(v), 3);
}

TEST_F(RunTest, of_an_rvalue_cannot_be_entered_again_meanwhile) {
    cv::Context context;
    std::move(context).run([&] {
        EXPECT_THROW(context.run([] { ADD_FAILURE(); }), cv::RuntimeError);
        EXPECT_THROW(std::move(context).run([] { ADD_FAILURE(); }), cv::RuntimeError);
    });
    context.run(
        [&] { EXPECT_THROW(std::move(context).run([] { ADD_FAILURE(); }), cv::RuntimeError); });
    std::move(context).run([] {});
}

TEST_F(RunTest, of_an_rvalue_makes_tokens_that_are_good_in_that_context_only) {
    cv::ContextVar<int> v{"v"};
    v.set(1);
    cv::Context context = cv::copy_context();
    auto token = std::move(context).run([&] { return v.set(2); });
    EXPECT_THROW(v.reset(token), cv::ValueError);
    context.run([&] { v.reset(token); });
    EXPECT_EQ(*context.get(v), 1);
}

TEST_F(RunTest, nests_deeply) {
    cv::ContextVar<int> v{"v", -1};
    const auto descend = [&](auto&& self, int depth) -> void {
        if (depth == 1000) {
            return;
        }
        cv::Context context = cv::copy_context();
        context.run([&] {
            EXPECT_EQ(v.get(), depth - 1);
            v.set(depth);
            self(self, depth + 1);
            EXPECT_EQ(v.get(), depth);
        });
    };
    descend(descend, 0);
    EXPECT_EQ(v.get(), -1);
}
