// SPDX-License-Identifier: MIT
//
// Values whose constructors, destructors, == and << call back into the library. Whatever they
// call must find a context that is whole: either before or after the operation, never in between.
#include <contextvars/contextvars.hpp>

#include "support/calls.hpp"
#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::Calls;
using contextvars_tests::counter;
using contextvars_tests::do_everything;
using contextvars_tests::isolated;
using contextvars_tests::on;
using ReentrancyTest = contextvars_tests::Isolated;

TEST_F(ReentrancyTest, of_a_destructor_that_sets_while_its_value_is_replaced) {
    cv::ContextVar<Calls> v{"v"};
    v.set(Calls(on("destroy", do_everything)));
    v.set(Calls(nullptr));
    EXPECT_EQ(counter.get(), 1);
    ASSERT_NE(v.try_get(), nullptr);
}

TEST_F(ReentrancyTest, of_a_destructor_that_sees_the_new_value_of_its_own_variable) {
    cv::ContextVar<Calls> v{"v"};
    const Calls* seen = nullptr;
    v.set(Calls(on("destroy", [&] { seen = v.try_get(); })));
    v.set(Calls(nullptr));
    EXPECT_NE(seen, nullptr);
    EXPECT_EQ(seen, v.try_get());
}

TEST_F(ReentrancyTest, of_a_destructor_that_sets_its_own_variable_again) {
    cv::ContextVar<Calls> v{"v"};
    const Calls* set_by_destructor = nullptr;
    v.set(Calls(on("destroy", [&] {
        v.set(Calls(nullptr));
        set_by_destructor = v.try_get();
    })));
    v.set(Calls(nullptr));
    EXPECT_NE(set_by_destructor, nullptr);
    EXPECT_EQ(v.try_get(), set_by_destructor);
}

TEST_F(ReentrancyTest, of_a_destructor_during_reset) {
    cv::ContextVar<Calls> v{"v"};
    auto token = v.set(Calls(on("destroy", [&] {
        EXPECT_EQ(v.try_get(), nullptr) << "the new state stands before the old value goes";
        do_everything();
    })));
    v.reset(token);
    EXPECT_EQ(counter.get(), 1);
    EXPECT_EQ(v.try_get(), nullptr);
}

TEST_F(ReentrancyTest, of_a_destructor_that_resets_the_token_it_is_reset_by) {
    cv::ContextVar<Calls> v{"v"};
    cv::Token<Calls>* used = nullptr;
    cv::reset_result second = cv::reset_result::ok;
    auto token = v.set(Calls(on("destroy", [&] { second = v.try_reset(*used); })));
    used = &token;
    v.reset(token);
    EXPECT_EQ(second, cv::reset_result::used);
}

TEST_F(ReentrancyTest, of_a_destructor_at_the_end_of_a_scope) {
    cv::ContextVar<Calls> v{"v"};
    {
        auto scope = v.scoped(Calls(on("destroy", do_everything)));
        EXPECT_EQ(counter.get(), 0);
    }
    EXPECT_EQ(counter.get(), 1);
}

TEST_F(ReentrancyTest, of_a_destructor_when_its_context_is_destroyed) {
    cv::ContextVar<Calls> v{"v"};
    cv::ContextVar<std::string> neighbour{"neighbour"};
    {
        cv::Context context;
        context.run([&] {
            neighbour.set("neighbour");
            v.set(Calls(on("destroy", do_everything)));
        });
    }
    EXPECT_EQ(counter.get(), 1) << "it ran in the context that was current then";
}

TEST_F(ReentrancyTest, of_a_destructor_when_its_context_is_assigned_to) {
    cv::ContextVar<Calls> v{"v"};
    cv::Context context;
    bool empty = false;
    context.run([&] {
        v.set(Calls(on("destroy", [&] {
            empty = context.empty();
            do_everything();
        })));
    });
    context = cv::Context();
    EXPECT_TRUE(empty) << "the new state stands before the old values go";
    EXPECT_EQ(counter.get(), 1);
}

TEST_F(ReentrancyTest, of_a_destructor_that_runs_the_context_it_is_removed_from) {
    cv::ContextVar<Calls> v{"v"};
    cv::Context context;
    context.run([&] { v.set(Calls(on("destroy", [&] { context.run([] { counter.set(7); }); }))); });
    auto token = context.run([&] { return v.set(Calls(nullptr)); });
    {
        const auto dropped = std::move(token);
    }
    EXPECT_EQ(*context.get(counter), 7);
}

TEST_F(ReentrancyTest, of_a_destructor_while_its_context_is_entered_or_left) {
    cv::ContextVar<Calls> v{"v"};
    cv::ContextVar<int> inside{"inside", 0};
    cv::Context context;
    int destroyed = 0;
    context.run([&] {
        v.set(Calls(on("destroy", [&] {
            ++destroyed;
            const bool still_inside = inside.get() == 1;
            bool refused = false;
            try {
                context.run([] {});
            } catch (const cv::RuntimeError&) {
                refused = true;
            }
            EXPECT_EQ(refused, still_inside)
                << "a context that is not current any more can be entered again";
        })));
    });
    context.run([&] {
        inside.set(1);
        v.set(Calls(nullptr));
    });
    EXPECT_EQ(destroyed, 1);
}

TEST_F(ReentrancyTest, of_a_destructor_when_a_token_is_dropped) {
    cv::ContextVar<Calls> v{"v"};
    v.set(Calls(on("destroy", do_everything)));
    {
        auto token = v.set(Calls(nullptr));
        EXPECT_EQ(counter.get(), 0);
    }
    EXPECT_EQ(counter.get(), 1);
}

TEST_F(ReentrancyTest, of_a_chain_of_destructors) {
    cv::ContextVar<Calls> v{"v"};
    int left = 50;
    std::function<void()> again = [&] {
        if (left-- > 0) {
            v.set(Calls(on("destroy", again)));
        }
    };
    again();
    v.set(Calls(nullptr));
    EXPECT_EQ(left, 48) << "the second was set by the destructor of the first";
    ASSERT_NE(v.try_get(), nullptr);
    for (int i = 0; i < 20; ++i) {
        v.set(Calls(nullptr));
        v.set(Calls(nullptr));
    }
    left = 0; // the last of the chain must not outlive what it refers to
    v.set(Calls(nullptr));
    v.set(Calls(nullptr));
    EXPECT_EQ(left, -1);
}

TEST_F(ReentrancyTest, of_a_constructor_while_it_is_emplaced) {
    cv::ContextVar<Calls> v{"v"};
    v.emplace(on("construct", [&] {
        EXPECT_EQ(v.try_get(), nullptr) << "it is not bound before it is made";
        do_everything();
    }));
    EXPECT_EQ(counter.get(), 1) << "what the constructor set must not be lost";
    ASSERT_NE(v.try_get(), nullptr);
}

TEST_F(ReentrancyTest, of_a_constructor_that_sets_the_variable_it_is_emplaced_in) {
    cv::ContextVar<Calls> v{"v"};
    auto token = v.emplace(on("construct", [&] { v.set(Calls(nullptr)); }));
    EXPECT_TRUE(token.old_value() != cv::Token<Calls>::MISSING)
        << "what the constructor set was there before what it made";
    v.reset(token);
    EXPECT_NE(v.try_get(), nullptr);
}

TEST_F(ReentrancyTest, of_a_constructor_that_captures_the_context_it_is_set_in) {
    cv::ContextVar<Calls> v{"v"};
    cv::ContextVar<std::string> neighbour{"neighbour"};
    neighbour.set("before");
    std::vector<cv::Context> captured;
    v.emplace(on("construct", [&] { captured.push_back(cv::copy_context()); }));
    neighbour.set("after");
    ASSERT_EQ(captured.size(), 1u);
    EXPECT_FALSE(captured[0].contains(v));
    EXPECT_EQ(captured[0][neighbour], "before");
}

TEST_F(ReentrancyTest, of_a_move_while_it_is_set) {
    cv::ContextVar<Calls> v{"v"};
    int moves = 0;
    v.set(Calls(on("move", [&] {
        ++moves;
        do_everything();
    })));
    EXPECT_GE(moves, 1);
    EXPECT_EQ(counter.get(), moves);
}

TEST_F(ReentrancyTest, of_a_copy_while_get_gives_a_copy) {
    cv::ContextVar<Calls> v{"v"};
    v.emplace(on("copy", [&] {
        v.set(Calls(nullptr)); // replaces the very value that is being copied
        do_everything();
    }));
    auto kept = cv::copy_context(); // keeps the value alive: a copy in progress reads it
    const Calls copy = v.get(Calls(nullptr));
    EXPECT_EQ(counter.get(), 1);
}

TEST_F(ReentrancyTest, of_an_equality_that_changes_the_contexts_it_compares) {
    cv::ContextVar<Calls> v{"v"};
    cv::ContextVar<std::string> neighbour{"neighbour"};
    cv::Context a;
    cv::Context b;
    int calls = 0;
    const auto change = [&] {
        ++calls;
        for (auto* context : {&a, &b}) {
            context->run([&] {
                v.set(Calls(nullptr));
                neighbour.set("changed");
                do_everything();
            });
        }
    };
    for (auto* context : {&a, &b}) {
        context->run([&] {
            neighbour.set("same");
            v.emplace(on("compare", change));
        });
    }
    EXPECT_TRUE(a == b) << "it compares what was there when it began";
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(a[neighbour], "changed");
    EXPECT_EQ(b[neighbour], "changed");
}

TEST_F(ReentrancyTest, of_an_equality_that_destroys_the_contexts_it_compares) {
    cv::ContextVar<Calls> v{"v"};
    auto a = std::make_unique<cv::Context>();
    auto b = std::make_unique<cv::Context>();
    const auto clear = [&] {
        *a = cv::Context();
        *b = cv::Context();
    };
    a->run([&] { v.emplace(on("compare", clear)); });
    b->run([&] { v.emplace(on("compare", clear)); });
    EXPECT_TRUE(*a == *b);
    EXPECT_TRUE(a->empty());
}

TEST_F(ReentrancyTest, of_an_output_that_changes_the_context_it_prints) {
    cv::ContextVar<Calls> v{"v"};
    cv::ContextVar<Calls> w{"w"};
    cv::Context context;
    const auto change = [&] {
        context.run([&] {
            v.set(Calls(nullptr));
            w.set(Calls(nullptr));
            do_everything();
        });
    };
    context.run([&] {
        v.emplace(on("print", change));
        w.emplace(on("print", change));
    });
    std::ostringstream out;
    out << context;
    EXPECT_CONTAINS(out.str(), "v=calls");
    EXPECT_CONTAINS(out.str(), "w=calls");
    EXPECT_GE(*context.get(counter), 1);
}

TEST_F(ReentrancyTest, of_an_output_in_an_entered_context) {
    cv::ContextVar<Calls> v{"v"};
    cv::Context context;
    context.run([&] {
        v.emplace(on("print", do_everything));
        std::ostringstream out;
        out << context << cv::copy_context();
        EXPECT_EQ(counter.get(), 2);
    });
}

TEST_F(ReentrancyTest, of_a_value_destroyed_with_its_variable_and_context) {
    for (int i = 0; i < 10; ++i) {
        cv::Context context;
        auto v = std::make_unique<cv::ContextVar<Calls>>("v");
        context.run([&] { v->set(Calls(on("destroy", do_everything))); });
        v.reset();
    }
    EXPECT_EQ(counter.get(), 10);
}
