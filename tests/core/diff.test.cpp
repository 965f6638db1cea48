// SPDX-License-Identifier: MIT
#include <contextvars/diff.hpp>

#include <contextvars/contextvars.hpp>

#include "support/environment.hpp"
#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::isolated;
using DiffTest = contextvars_tests::Isolated;

namespace {

/// `v: 1 -> 2`, sorted.
std::vector<std::string> lines(const cv::Difference& difference) {
    std::vector<std::string> lines;
    for (const auto& [variable, before, after] : difference) {
        std::ostringstream line;
        line << variable.name() << ": ";
        if (before)
            line << *before << ' ';
        line << "->";
        if (after)
            line << ' ' << *after;
        lines.push_back(line.str());
    }
    std::sort(lines.begin(), lines.end());
    return lines;
}
using expected = std::vector<std::string>;

/// A value that counts how often it is compared.
struct compared {
    int number = 0;
    static inline int times = 0;
    std::string large = "so that it is in a node";
    friend bool operator==(const compared& a, const compared& b) {
        ++times;
        return a.number == b.number;
    }
};

} // namespace

TEST_F(DiffTest, lists_what_was_added_removed_and_changed) {
    const cv::ContextVar<int> kept{"kept"};
    const cv::ContextVar<int> changed{"changed"};
    const cv::ContextVar<std::string> removed{"removed"};
    const cv::ContextVar<std::string> added{"added"};
    kept.set(1);
    changed.set(1);
    auto token = removed.set("r");
    const cv::Context before = cv::copy_context();
    changed.set(2);
    removed.reset(token);
    added.set("a");
    const cv::Context after = cv::copy_context();
    EXPECT_EQ(lines(diff(before, after)),
              (expected{"added: -> a", "changed: 1 -> 2", "removed: r ->"}));
    EXPECT_EQ(lines(diff(after, before)),
              (expected{"added: a ->", "changed: 2 -> 1", "removed: -> r"}));
}

TEST_F(DiffTest, is_empty_exactly_if_the_contexts_are_equal) {
    const cv::ContextVar<std::string> text{"text"};
    const cv::ContextVar<std::shared_ptr<int>> pointer{"pointer"};
    text.set("same");
    pointer.set(nullptr);
    const cv::Context before = cv::copy_context();
    EXPECT_TRUE(diff(before, before).empty());
    EXPECT_TRUE(diff(before, before.copy()).empty());
    EXPECT_TRUE(diff(cv::Context(), cv::Context()).empty());
    text.set(std::string("sa") + "me"); // equal, and not identical
    EXPECT_TRUE(diff(before, cv::copy_context()).empty());
    EXPECT_TRUE(before == cv::copy_context());
    EXPECT_EQ(diff(cv::Context(), before).size(), 2U);
}

TEST_F(DiffTest, compares_contexts_within) {
    const cv::ContextVar<cv::Context> inner{"inner"};
    const cv::ContextVar<int> v{"v"};
    cv::Context one;
    one.run([&] { v.set(1); });
    inner.set(one);
    const cv::Context before = cv::copy_context();
    inner.set(one.copy());
    EXPECT_TRUE(diff(before, cv::copy_context()).empty());
    one.run([&] { v.set(2); });
    inner.set(one);
    EXPECT_EQ(diff(before, cv::copy_context()).size(), 1U);
}

TEST_F(DiffTest, shows_no_value_of_a_secret_variable) {
    const cv::ContextVar<int> secret{"secret", cv::attributes{.secret = true}};
    const cv::Context before;
    secret.set(42);
    EXPECT_EQ(lines(diff(before, cv::copy_context())), (expected{"secret: -> <int>"}));
}

TEST_F(DiffTest, keeps_the_values_of_its_moment) {
    const cv::ContextVar<int> small{"small"};
    const cv::ContextVar<std::string> large{"large"};
    cv::Context context;
    std::optional<cv::Difference> difference;
    {
        const cv::Context before;
        context.run([&] {
            small.set(1);
            large.set("one");
            difference.emplace(diff(before, context)); // entered, and live
            small.set(2);
            large.set("two");
        });
        context = cv::Context();
    }
    const cv::Difference moved = std::move(*difference);
    EXPECT_EQ(lines(moved), (expected{"large: -> one", "small: -> 1"}));
}

TEST_F(DiffTest, finds_bindings_of_variables_that_are_gone_wherever_they_are) {
    std::optional<cv::ContextVar<int>> gone(std::in_place, "gone");
    gone->set(1);
    const cv::Context before = cv::copy_context();
    gone.reset();
    const cv::ContextVar<int> successor{"successor"};
    successor.set(2); // the binding is among the dead ones now
    EXPECT_EQ(lines(diff(before, cv::copy_context())), (expected{"successor: -> 2"}));
    EXPECT_EQ(lines(diff(cv::copy_context(), before)), (expected{"successor: 2 ->"}));
    EXPECT_EQ(lines(diff(cv::Context(), cv::copy_context())),
              (expected{"gone: -> 1", "successor: -> 2"}));
}

TEST_F(DiffTest, looks_only_at_what_the_contexts_do_not_share) {
    std::deque<cv::ContextVar<compared>> variables;
    for (int i = 0; i < 5000; ++i)
        variables.emplace_back("v").set({i});
    const cv::Context before = cv::copy_context();
    // All values are other ones, so whatever is looked at is compared.
    cv::Context rebuilt;
    rebuilt.run([&] {
        for (int i = 0; i < 5000; ++i)
            variables[static_cast<std::size_t>(i)].set({i});
    });
    compared::times = 0;
    EXPECT_TRUE(diff(before, rebuilt).empty());
    EXPECT_EQ(compared::times, 5000);
    for (const std::size_t changed : {std::size_t{10}, std::size_t{4900}}) {
        auto token = variables[changed].set({-1});
        compared::times = 0;
        EXPECT_EQ(diff(before, cv::copy_context()).size(), 1U);
        EXPECT_EQ(compared::times, 1) << "identical values are not compared";
        variables[changed].reset(token);
    }
}

TEST_F(DiffTest, lets_the_exception_of_an_equality_pass) {
    struct throws {
        std::string large = "so that it is in a node";
        bool operator==(const throws&) const { throw std::runtime_error("=="); }
    };
    const cv::ContextVar<throws> v{"v"};
    v.set({});
    const cv::Context before = cv::copy_context();
    v.set({});
    EXPECT_THROW(static_cast<void>(diff(before, cv::copy_context())), std::runtime_error);
}

TEST_F(DiffTest, agrees_with_a_model) {
    const auto seed = static_cast<unsigned>(
        contextvars_tests::from_environment("CONTEXTVARS_SEED", std::random_device{}()));
    std::cout << "CONTEXTVARS_SEED=" << seed << '\n';
    SCOPED_TRACE("CONTEXTVARS_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    std::deque<cv::ContextVar<int>> variables;
    for (int i = 0; i < 1500; ++i)
        variables.emplace_back(std::to_string(i));
    using model = std::map<std::string, int>;
    for (int round = 0; round < 60; ++round) {
        const std::size_t used = round % 3 == 0 ? 5 : round % 3 == 1 ? 90 : variables.size();
        isolated([&] {
            model bound;
            std::vector<std::pair<std::size_t, cv::Token<int>>> tokens;
            const auto change_some = [&](std::size_t count) {
                for (std::size_t i = 0; i < count; ++i) {
                    const std::size_t which = random() % used;
                    const int value = static_cast<int>(random() % 3);
                    tokens.emplace_back(which, variables[which].set(value));
                    bound[std::to_string(which)] = value;
                }
                for (std::size_t i = 0; i < count / 4 && !tokens.empty(); ++i) {
                    auto [which, token] = std::move(tokens.back());
                    tokens.pop_back();
                    const int* const old = token.old_value();
                    if (old != nullptr)
                        bound[std::to_string(which)] = *old;
                    else
                        bound.erase(std::to_string(which));
                    variables[which].reset(token);
                }
            };
            change_some(random() % (2 * used));
            const model bound_before = bound;
            const cv::Context before = cv::copy_context();
            change_some(random() % 20);
            const cv::Context after = cv::copy_context();
            std::size_t changes = 0;
            for (const auto& [name, value] : bound)
                changes += !bound_before.contains(name) || bound_before.at(name) != value ? 1 : 0;
            for (const auto& [name, value] : bound_before)
                changes += bound.contains(name) ? 0 : 1;
            const cv::Difference difference = diff(before, after);
            EXPECT_EQ(difference.size(), changes);
            for (const auto& [variable, was, is] : difference) {
                const std::string name(variable.name());
                EXPECT_EQ(was.has_value(), bound_before.contains(name));
                EXPECT_EQ(is.has_value(), bound.contains(name));
                if (was) {
                    EXPECT_EQ(*was->as<int>(), bound_before.at(name));
                }
                if (is) {
                    EXPECT_EQ(*is->as<int>(), bound.at(name));
                }
            }
        });
    }
}
