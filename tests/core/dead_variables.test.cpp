// SPDX-License-Identifier: MIT
//
// Variables that are destroyed while contexts still bind them, and what comes after them.
#include <contextvars/contextvars.hpp>

#include "support/counted.hpp"
#include "support/environment.hpp"
#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <latch>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::Counted;
using contextvars_tests::isolated;
using contextvars_tests::NothingLeaks;
using DeadVariablesTest = contextvars_tests::Isolated;

TEST_F(DeadVariablesTest, may_be_destroyed_while_they_are_bound) {
    const NothingLeaks leaks;
    isolated([] {
        {
            cv::ContextVar<Counted> v{"v"};
            v.set(Counted(1));
        }
        cv::ContextVar<Counted> next{"next"};
        EXPECT_EQ(next.try_get(), nullptr);
    });
}

TEST_F(DeadVariablesTest, stay_in_size_keys_and_items_with_their_name) {
    cv::ContextVar<int> alive{"alive"};
    alive.set(1);
    auto dead = std::make_unique<cv::ContextVar<std::string>>("dead " + std::string(50, '!'));
    dead->set("value");
    const cv::Context context = cv::copy_context();
    dead.reset();
    EXPECT_EQ(context.size(), 2u);
    EXPECT_EQ(cv::copy_context().size(), 2u);
    EXPECT_EQ(context.keys().size(), 2u);
    int seen = 0;
    for (auto&& [variable, value] : context) {
        if (variable.name() == "dead " + std::string(50, '!')) {
            ++seen;
            ASSERT_NE(value.template as<std::string>(), nullptr);
            EXPECT_EQ(*value.template as<std::string>(), "value");
        }
    }
    EXPECT_EQ(seen, 1);
}

TEST_F(DeadVariablesTest, still_count_when_contexts_are_compared) {
    auto dead = std::make_unique<cv::ContextVar<int>>("dead");
    cv::Context a;
    cv::Context b;
    cv::Context c;
    a.run([&] { dead->set(1); });
    b.run([&] { dead->set(1); });
    c.run([&] { dead->set(2); });
    dead.reset();
    EXPECT_TRUE(a == b);
    EXPECT_FALSE(a == c);
    EXPECT_FALSE(a == cv::Context());
}

TEST_F(DeadVariablesTest, are_not_equal_to_what_has_their_place_now) {
    alignas(cv::ContextVar<int>) unsigned char place[sizeof(cv::ContextVar<int>)];
    auto* dead = new (place) cv::ContextVar<int>("same");
    cv::Context old;
    old.run([&] { dead->set(1); });
    dead->~ContextVar();
    auto* next = new (place) cv::ContextVar<int>("same");
    cv::Context now;
    now.run([&] { next->set(1); });
    EXPECT_FALSE(old == now);
    EXPECT_FALSE(old.contains(*next));
    EXPECT_EQ(old.get(*next), nullptr);
    EXPECT_FALSE(*old.keys().begin() == *now.keys().begin());
    EXPECT_FALSE((*old.keys().begin()).identity() == (*now.keys().begin()).identity());
    next->~ContextVar();
}

TEST_F(DeadVariablesTest, leave_a_place_that_the_next_variable_finds_missing) {
    for (int i = 0; i < 1000; ++i) {
        cv::ContextVar<int> v{"v"};
        ASSERT_EQ(v.try_get(), nullptr) << "round " << i;
        v.set(i);
        ASSERT_EQ(v.get(), i);
    }
}

TEST_F(DeadVariablesTest, of_another_type_are_never_read_as_the_new_one) {
    for (int i = 0; i < 300; ++i) {
        cv::ContextVar<std::string> text{"text"};
        ASSERT_EQ(text.try_get(), nullptr);
        ASSERT_THROW(text.get(), cv::LookupError);
        text.set("a text that is too long for the small string buffer");
        cv::ContextVar<long> number{"number"};
        ASSERT_EQ(number.try_get(), nullptr);
        number.set(i);
    }
}

TEST_F(DeadVariablesTest, are_replaced_in_a_map_that_was_captured_before) {
    auto dead = std::make_unique<cv::ContextVar<int>>("dead");
    dead->set(1);
    const cv::Context captured = cv::copy_context();
    dead.reset();
    cv::ContextVar<int> next{"next"};
    EXPECT_EQ(next.try_get(), nullptr);
    EXPECT_FALSE(captured.contains(next));
    next.set(2);
    EXPECT_EQ(next.get(), 2);
    EXPECT_FALSE(captured.contains(next));
    EXPECT_EQ(captured.size(), 1u);
    cv::Context again = captured;
    again.run([&] {
        EXPECT_EQ(next.try_get(), nullptr);
        auto token = next.set(3);
        EXPECT_TRUE(token.old_value() == cv::Token<int>::MISSING)
            << "the binding of a dead variable is not the old value of the next one";
        next.reset(token);
        EXPECT_EQ(next.try_get(), nullptr);
    });
}

TEST_F(DeadVariablesTest, keep_their_binding_when_the_next_variable_is_bound) {
    auto dead = std::make_unique<cv::ContextVar<int>>("dead");
    dead->set(1);
    dead.reset();
    cv::ContextVar<int> next{"next"};
    next.set(2);
    const cv::Context context = cv::copy_context();
    int found = 0;
    for (auto&& variable : context.keys()) {
        found += variable.name() == "dead" ? 1 : 0;
    }
    EXPECT_EQ(found, 1) << "bindings of destroyed variables stay";
    EXPECT_EQ(context.size(), 2u);
}

TEST_F(DeadVariablesTest, keep_their_binding_in_a_large_context_too) {
    constexpr std::size_t count = 200;
    const NothingLeaks leaks;
    isolated([&] {
        std::vector<std::unique_ptr<cv::ContextVar<Counted>>> variables(count);
        for (const char* const name : {"dead", "next"}) {
            for (auto& variable : variables) {
                variable =
                    std::make_unique<cv::ContextVar<Counted>>(name); // with an id that was free
                variable->set(Counted(1));
            }
        }
        std::size_t found = 0;
        for (auto&& [variable, value] : cv::copy_context()) {
            found += variable.name() == "dead" ? 1 : 0;
        }
        EXPECT_EQ(found, count);
        EXPECT_EQ(cv::copy_context().size(), 2 * count);
    });
    EXPECT_TRUE(leaks.holds());
}

TEST_F(DeadVariablesTest, keep_their_binding_when_the_trie_rises) {
    constexpr std::size_t count = 200, far = 1 << 11;
    std::vector<std::unique_ptr<cv::ContextVar<int>>> variables;
    for (std::size_t i = 0; i < far; ++i) {
        variables.push_back(std::make_unique<cv::ContextVar<int>>("v"));
        variables.back()->set(1); // which gives it its id
    }
    for (int order = 0; order < 2; ++order) { // ids were given upwards or downwards
        cv::Context context;
        context.run([&] {
            for (int round = 0; round < 2; ++round) {
                for (std::size_t i = 0; i < count; ++i) {
                    variables[i] = nullptr;
                    variables[i] = std::make_unique<cv::ContextVar<int>>("v"); // with the same id
                    variables[i]->set(round);
                }
            }
            variables.back()->set(2);
        });
        std::size_t found = 0;
        for (auto&& [variable, value] : context) {
            static_cast<void>(variable);
            ++found;
        }
        EXPECT_EQ(found, 2 * count + 1);
        std::ranges::reverse(variables);
    }
}

TEST_F(DeadVariablesTest, do_not_accept_the_tokens_of_what_was_there_before) {
    alignas(cv::ContextVar<int>) unsigned char place[sizeof(cv::ContextVar<int>)];
    auto* dead = new (place) cv::ContextVar<int>("same");
    auto token = dead->set(1);
    dead->~ContextVar();
    auto* next = new (place) cv::ContextVar<int>("same");
    next->set(2);
    EXPECT_EQ(next->try_reset(token), cv::reset_result::wrong_variable);
    EXPECT_THROW(next->reset(token), cv::ValueError);
    EXPECT_EQ(next->get(), 2);
    next->~ContextVar();
}

TEST_F(DeadVariablesTest, release_their_values_with_the_last_context) {
    const NothingLeaks leaks;
    auto context = std::make_unique<cv::Context>();
    {
        cv::ContextVar<Counted> v{"v"};
        context->run([&] { v.set(Counted(1)); });
    }
    auto copy = std::make_unique<cv::Context>(*context);
    context.reset();
    EXPECT_FALSE(leaks.holds()) << "a context keeps the value";
    copy.reset();
    EXPECT_TRUE(leaks.holds());
}

TEST_F(DeadVariablesTest, may_be_destroyed_on_another_thread) {
    auto v = std::make_unique<cv::ContextVar<std::string>>("v");
    v->set("value");
    std::thread([&] { v.reset(); }).join();
    cv::ContextVar<std::string> next{"next"};
    EXPECT_EQ(next.try_get(), nullptr);
    EXPECT_EQ(cv::copy_context().size(), 1u);
}

TEST_F(DeadVariablesTest, leave_a_place_that_another_thread_finds_missing_too) {
    auto dead = std::make_unique<cv::ContextVar<std::string>>("dead");
    std::unique_ptr<cv::ContextVar<std::string>> next;
    std::latch bound(1);
    std::latch replaced(1);
    std::thread other([&] {
        dead->set("a text that is too long for the small string buffer");
        bound.count_down();
        replaced.wait();
        EXPECT_EQ(next->try_get(), nullptr);
        EXPECT_THROW(next->get(), cv::LookupError);
        next->set("next");
        EXPECT_EQ(cv::copy_context().size(), 2u);
    });
    bound.wait();
    dead.reset();
    next = std::make_unique<cv::ContextVar<std::string>>("next");
    replaced.count_down();
    other.join();
}

TEST_F(DeadVariablesTest, are_not_mistaken_after_their_place_was_reused_ever_so_often) {
    cv::Context kept;
    {
        cv::ContextVar<int> dead{"of the same name"};
        kept.run([&] { dead.set(1); });
    }
    // A key has 20 bits for the count of reuses, which would come round in here.
    const int rounds = contextvars_tests::sanitized ? 100'000 : (1 << 20) + 2;
    for (int i = 0; i < rounds; ++i) {
        cv::ContextVar<int> next{"of the same name"};
        auto scope = next.scoped(i);
        ASSERT_FALSE(kept.contains(next)) << i;
    }
    EXPECT_EQ(kept.size(), 1u);
}

TEST_F(DeadVariablesTest, may_be_destroyed_with_a_binding_in_many_contexts) {
    std::vector<cv::Context> contexts(50);
    auto v = std::make_unique<cv::ContextVar<int>>("v");
    for (std::size_t i = 0; i < contexts.size(); ++i) {
        contexts[i].run([&] { v->set(static_cast<int>(i)); });
    }
    v.reset();
    cv::ContextVar<int> next{"next"};
    for (auto& context : contexts) {
        EXPECT_FALSE(context.contains(next));
        context.run([&] { next.set(-1); });
        EXPECT_EQ(*context.get(next), -1);
    }
}

TEST_F(DeadVariablesTest, may_be_many) {
    cv::ContextVar<int> first{"first"};
    first.set(-1);
    for (int round = 0; round < 3; ++round) {
        isolated([&] {
            std::vector<std::unique_ptr<cv::ContextVar<int>>> variables;
            for (int i = 0; i < 5000; ++i) {
                variables.push_back(std::make_unique<cv::ContextVar<int>>("dynamic"));
                ASSERT_EQ(variables.back()->try_get(), nullptr);
                variables.back()->set(i);
            }
            for (int i = 0; i < 5000; i += 2) {
                variables[static_cast<std::size_t>(i)].reset();
            }
            std::vector<std::unique_ptr<cv::ContextVar<int>>> reborn;
            for (int i = 0; i < 2500; ++i) {
                reborn.push_back(std::make_unique<cv::ContextVar<int>>("reborn"));
                ASSERT_EQ(reborn.back()->try_get(), nullptr);
                reborn.back()->set(-i);
            }
            for (int i = 1; i < 5000; i += 2) {
                ASSERT_EQ(variables[static_cast<std::size_t>(i)]->get(), i);
            }
            for (int i = 0; i < 2500; ++i) {
                ASSERT_EQ(reborn[static_cast<std::size_t>(i)]->get(), -i);
            }
        });
    }
    EXPECT_EQ(first.get(), -1);
}

TEST_F(DeadVariablesTest, may_have_been_never_bound_at_all) {
    for (int i = 0; i < 10000; ++i) {
        cv::ContextVar<int> v{"v", i};
        ASSERT_EQ(v.get(), i);
    }
    EXPECT_TRUE(cv::copy_context().empty());
}

TEST_F(DeadVariablesTest, on_the_stack_of_a_recursion_do_not_disturb_each_other) {
    const auto descend = [](auto&& self, int depth) -> void {
        if (depth == 100) {
            return;
        }
        cv::ContextVar<int> local{"local"};
        auto scope = local.scoped(depth);
        self(self, depth + 1);
        EXPECT_EQ(local.get(), depth);
    };
    descend(descend, 0);
    EXPECT_TRUE(cv::copy_context().empty());
}
