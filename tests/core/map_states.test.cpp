// SPDX-License-Identifier: MIT
//
// Every body runs with the map of the current context in three states
//     empty            nothing is bound
//     uniquely owned   every second variable is bound, and nobody else has the map
//     captured         the same, and a captured context shares the map
// and with as many variables as make it cross each of its thresholds. What was captured is checked
// again after every body: it must not have changed.
#include <contextvars/contextvars.hpp>

#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::isolated;

namespace {

enum class state { empty, uniquely_owned, captured };

struct alignas(64) Wide {
    int value;
    friend bool operator==(const Wide&, const Wide&) = default;
};

template <class T>
T made(int i) {
    if constexpr (std::is_same_v<T, std::string>) {
        return "value " + std::to_string(i) + " that is too long for the small buffer";
    } else if constexpr (std::is_same_v<T, Wide>) {
        return Wide{i};
    } else {
        return static_cast<T>(i);
    }
}

/// N variables, some bound, and what each of them is expected to hold.
template <class T>
class World {
public:
    using Bindings = std::vector<std::optional<T>>;

    World(int n, state s) : expected(static_cast<std::size_t>(n)) {
        for (int i = 0; i < n; ++i) {
            variables.push_back(std::make_unique<cv::ContextVar<T>>("v" + std::to_string(i)));
        }
        if (s == state::empty) {
            return;
        }
        for (int i = 0; i < n; i += 2) {
            set(i, i);
        }
        if (s == state::captured) {
            capture();
        }
    }
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    ~World() { verify(); }

    int size() const { return static_cast<int>(variables.size()); }
    const cv::ContextVar<T>& var(int i) const { return *variables[static_cast<std::size_t>(i)]; }
    std::optional<T>& expect(int i) { return expected[static_cast<std::size_t>(i)]; }

    cv::Token<T> set(int i, int value) {
        expect(i) = made<T>(value);
        return var(i).set(made<T>(value));
    }
    void capture() { captured.emplace_back(cv::copy_context(), expected); }

    void verify() const {
        const cv::Context now = cv::copy_context();
        verify(now, expected);
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const T* found = variables[i]->try_get();
            ASSERT_EQ(found != nullptr, expected[i].has_value()) << "variable " << i;
            if (found != nullptr) {
                ASSERT_TRUE(*found == *expected[i]) << "variable " << i;
            }
        }
        for (const auto& [context, bindings] : captured) {
            verify(context, bindings);
        }
    }

    std::vector<std::unique_ptr<cv::ContextVar<T>>> variables;
    Bindings expected;
    std::vector<std::pair<cv::Context, Bindings>> captured;

private:
    void verify(const cv::Context& context, const Bindings& bindings) const {
        std::size_t bound = 0;
        for (std::size_t i = 0; i < bindings.size(); ++i) {
            const auto& v = *variables[i];
            ASSERT_EQ(context.contains(v), bindings[i].has_value()) << "variable " << i;
            if (bindings[i]) {
                ++bound;
                ASSERT_TRUE(*context.get(v) == *bindings[i]) << "variable " << i;
            }
        }
        ASSERT_EQ(context.size(), bound);
        std::size_t listed = 0;
        for (auto&& [variable, value] : context) {
            ++listed;
            const auto index = std::stoul(std::string(variable.name().substr(1)));
            ASSERT_TRUE(bindings[index].has_value());
            ASSERT_NE(value.template as<T>(), nullptr);
            ASSERT_TRUE(*value.template as<T>() == *bindings[index]);
        }
        ASSERT_EQ(listed, bound);
    }
};

class MapStatesTest : public ::testing::TestWithParam<std::tuple<state, int>> {
protected:
    /// Runs body in a world of ints (stored inline), strings (on the heap), and wide structs.
    template <class Body>
    void in_every_world(Body body) {
        isolated([&] { in_world<int>(body); });
        isolated([&] { in_world<std::string>(body); });
        isolated([&] { in_world<Wide>(body); });
    }

private:
    template <class T, class Body>
    static void in_world(Body& body) {
        World<T> world(std::get<1>(GetParam()), std::get<0>(GetParam()));
        body(world);
    }
};

} // namespace

TEST_P(MapStatesTest, nothing_is_done) {
    in_every_world([](auto& world) { world.verify(); });
}

TEST_P(MapStatesTest, every_variable_is_set) {
    in_every_world([](auto& world) {
        for (int i = 0; i < world.size(); ++i) {
            world.set(i, 1000 + i);
        }
        world.verify();
    });
}

TEST_P(MapStatesTest, every_variable_is_set_from_the_last_to_the_first) {
    in_every_world([](auto& world) {
        for (int i = world.size() - 1; i >= 0; --i) {
            world.set(i, 1000 + i);
        }
    });
}

TEST_P(MapStatesTest, one_variable_is_set) {
    in_every_world([](auto& world) {
        for (const int i : {0, 1, world.size() / 2, world.size() - 1}) {
            if (i >= 0 && i < world.size()) {
                isolated([&] {}); // leaves and enters in between
                world.set(i, -i - 1);
                world.verify();
            }
        }
    });
}

TEST_P(MapStatesTest, every_variable_is_set_and_reset) {
    in_every_world([](auto& world) {
        const auto before = world.expected;
        for (int i = 0; i < world.size(); ++i) {
            auto token = world.set(i, 1000 + i);
            world.var(i).reset(token);
        }
        world.expected = before;
        world.verify();
    });
}

TEST_P(MapStatesTest, all_are_set_and_then_all_are_reset_in_the_same_order) {
    in_every_world([](auto& world) {
        const auto before = world.expected;
        std::vector<decltype(world.set(0, 0))> tokens;
        for (int i = 0; i < world.size(); ++i) {
            tokens.push_back(world.set(i, 1000 + i));
        }
        world.verify();
        world.capture();
        for (int i = 0; i < world.size(); ++i) {
            world.var(i).reset(tokens[static_cast<std::size_t>(i)]);
            world.expect(i) = before[static_cast<std::size_t>(i)];
        }
        world.verify();
    });
}

TEST_P(MapStatesTest, the_context_is_captured_after_every_set) {
    in_every_world([](auto& world) {
        const int step = world.size() > 100 ? world.size() / 10 : 1;
        for (int i = 0; i < world.size(); i += step) {
            world.set(i, 2000 + i);
            world.capture();
        }
    });
}

TEST_P(MapStatesTest, captures_are_dropped_before_the_next_set) {
    in_every_world([](auto& world) {
        for (int i = 0; i < world.size(); i += 3) {
            const cv::Context dropped = cv::copy_context();
            static_cast<void>(dropped);
            world.set(i, 3000 + i);
        }
        world.captured.clear();
        for (int i = 0; i < world.size(); ++i) {
            world.set(i, 4000 + i);
        }
    });
}

TEST_P(MapStatesTest, what_runs_in_a_copy_stays_there) {
    in_every_world([](auto& world) {
        cv::Context copy = cv::copy_context();
        copy.run([&] {
            for (int i = 0; i < world.size(); ++i) {
                world.var(i).set(made<std::decay_t<decltype(*world.expected[0])>>(-1));
            }
        });
        world.verify();
        EXPECT_EQ(copy.size(), static_cast<std::size_t>(world.size()));
    });
}

TEST_P(MapStatesTest, scopes_are_undone) {
    in_every_world([](auto& world) {
        using value = std::decay_t<decltype(*world.expected[0])>;
        for (int i = 0; i + 1 < world.size(); i += 5) {
            auto one = world.var(i).scoped(made<value>(-1));
            auto two =
                cv::scoped(world.var(i + 1).to(made<value>(-2)), world.var(i).to(made<value>(-3)));
            EXPECT_TRUE(world.var(i).get() == made<value>(-3));
        }
        world.verify();
    });
}

TEST_P(MapStatesTest, a_context_equals_its_copy_until_one_of_them_changes) {
    in_every_world([](auto& world) {
        cv::Context copy = cv::copy_context();
        EXPECT_TRUE(copy == cv::copy_context());
        if (world.size() > 0) {
            world.set(world.size() - 1, 5000);
            EXPECT_FALSE(copy == cv::copy_context());
            world.var(world.size() - 1).set(made<std::decay_t<decltype(*world.expected[0])>>(5000));
            EXPECT_FALSE(copy == cv::copy_context());
        }
    });
}

TEST_P(MapStatesTest, another_thread_reads_and_changes_its_own_copy) {
    in_every_world([](auto& world) {
        using value = std::decay_t<decltype(*world.expected[0])>;
        cv::thread([&] {
            for (int i = 0; i < world.size(); ++i) {
                const value* found = world.var(i).try_get();
                EXPECT_EQ(found != nullptr, world.expect(i).has_value());
                world.var(i).set(made<value>(-7));
            }
        }).join();
        world.verify();
    });
}

namespace {
std::string name_of(const testing::TestParamInfo<std::tuple<state, int>>& info) {
    static constexpr std::array<const char*, 3> names{"empty", "uniquely_owned", "captured"};
    return std::string(names[static_cast<std::size_t>(std::get<0>(info.param))]) + "_with_" +
           std::to_string(std::get<1>(info.param)) + "_variables";
}
} // namespace

INSTANTIATE_TEST_SUITE_P(, MapStatesTest,
                         testing::Combine(testing::Values(state::empty, state::uniquely_owned,
                                                          state::captured),
                                          testing::Values(0, 1, 4, 8, 16, 17, 64, 65, 200, 1000)),
                         &name_of);

using ManyVariablesTest = contextvars_tests::Isolated;

namespace {
/// Each is bound to its index, which gives it its id. Of several names, since a key tells the name as well.
template <class T>
std::vector<std::unique_ptr<cv::ContextVar<T>>> bound_variables(int count) {
    std::vector<std::unique_ptr<cv::ContextVar<T>>> variables;
    for (int i = 0; i < count; ++i) {
        const std::string name = "one of many, " + std::to_string(i % 7);
        variables.push_back(std::make_unique<cv::ContextVar<T>>(name));
        variables.back()->set(made<T>(i));
    }
    return variables;
}
} // namespace

// Deep enough for every level of the trie, and for copies of copies that share it.
TEST_F(ManyVariablesTest, keep_their_values_in_copies_of_copies) {
    constexpr int count = 70'000;
    constexpr int copies = 40;
    const auto variables = bound_variables<int>(count);
    // Each copy is of the one before, and has one change more; every third is kept.
    const auto changed = [](int copy) { return static_cast<std::size_t>(copy * 1699 + 1); };
    std::vector<std::pair<int, cv::Context>> kept;
    cv::Context context = cv::copy_context();
    for (int copy = 0; copy < copies; ++copy) {
        cv::Context next = context;
        next.run([&] {
            variables[changed(copy)]->set(-copy - 1);
            auto scope = variables[changed(copy) + 1]->scoped(-1000);
        });
        context = std::move(next);
        if (copy % 3 == 0) {
            kept.emplace_back(copy, context);
        }
    }
    for (const auto& [last, copy] : kept) {
        EXPECT_EQ(copy.size(), static_cast<std::size_t>(count));
        std::vector<int> expected(count);
        std::iota(expected.begin(), expected.end(), 0);
        for (int i = 0; i <= last; ++i) {
            expected[changed(i)] = -i - 1;
        }
        int wrong = 0;
        for (std::size_t i = 0; i < expected.size(); ++i) {
            wrong += *copy.get(*variables[i]) != expected[i];
        }
        EXPECT_EQ(wrong, 0) << "after copy " << last;
    }
    for (std::size_t i = 0; i < variables.size(); ++i) {
        ASSERT_EQ(variables[i]->get(), static_cast<int>(i));
    }
}

// Those whose ids are beyond the trie's reach are looked for in a leaf of other variables.
TEST_F(ManyVariablesTest, are_missing_where_they_were_not_set_however_far_the_trie_reaches) {
    auto variables = bound_variables<int>(70'000);
    const auto check = [&](std::size_t bound) {
        cv::Context context;
        context.run([&] {
            for (std::size_t i = 0; i < bound; ++i) {
                variables[i]->set(1);
            }
            int wrong = 0;
            for (std::size_t i = 0; i < variables.size(); ++i) {
                const bool is_bound = i < bound;
                wrong += (variables[i]->try_get() != nullptr) != is_bound;
                wrong += variables[i]->get(2) != (is_bound ? 1 : 2);
                wrong += context.contains(*variables[i]) != is_bound;
            }
            for (std::size_t i = bound; i < variables.size(); i += 997) {
                auto token = variables[i]->set(3);
                wrong += variables[i]->get() != 3;
                variables[i]->reset(token);
                wrong += variables[i]->try_get() != nullptr;
            }
            EXPECT_EQ(wrong, 0) << bound << " bound";
        });
        EXPECT_EQ(context.size(), bound);
    };
    for (int order = 0; order < 2; ++order) { // ids were given upwards or downwards
        for (const std::size_t bound : {0U, 60U, 70U, 500U, 1020U, 1100U, 5000U, 65000U, 69000U}) {
            check(bound);
        }
        std::ranges::reverse(variables);
    }
}

TEST_F(ManyVariablesTest, may_have_ids_that_lie_far_apart) {
    constexpr std::size_t few = 200, far = 1 << 16;
    auto variables = bound_variables<int>(far + few);
    for (int order = 0; order < 2; ++order) { // as above
        cv::Context context;
        context.run([&] {
            int wrong = 0;
            for (std::size_t i = 0; i < few; ++i) {
                variables[i]->set(1);
            }
            for (std::size_t i = 0; i < few; ++i) {
                variables[far + i]->set(2);
            }
            for (std::size_t i = 0; i < few; ++i) {
                wrong += variables[i]->get(0) != 1 || variables[far + i]->get(0) != 2;
            }
            EXPECT_EQ(wrong, 0);
        });
        EXPECT_EQ(context.size(), 2 * few);
        std::ranges::reverse(variables);
    }
}

TEST_F(ManyVariablesTest, have_one_binding_each_when_their_place_in_the_table_becomes_free) {
    constexpr std::size_t half = 100;
    std::vector<std::unique_ptr<cv::ContextVar<int>>> variables;
    std::vector<cv::Token<int>> tokens;
    for (std::size_t i = 0; i < 2 * half; ++i) {
        variables.push_back(std::make_unique<cv::ContextVar<int>>("one of two hundred"));
        tokens.push_back(variables.back()->set(1));
    }
    for (std::size_t i = 0; i < half; ++i) { // which have all of the table
        variables[i]->reset(tokens[i]);
    }
    for (std::size_t i = half; i < 2 * half; ++i) { // some of which are in the trie
        const auto token = variables[i]->set(2);
        EXPECT_NE(token.old_value(), nullptr);
    }
    EXPECT_EQ(cv::copy_context().size(), half);
}

TEST_F(ManyVariablesTest, that_are_large_are_found_in_copies_of_copies) {
    constexpr int count = 70'000;
    const auto variables = bound_variables<Wide>(count);
    cv::Context context = cv::copy_context();
    for (int copy = 0; copy < 3; ++copy) {
        cv::Context next = context;
        next.run([&] {
            int wrong = 0;
            for (int i = copy; i < count; i += 101) {
                const auto& variable = *variables[static_cast<std::size_t>(i)];
                const int before = variable.get().value;
                auto token = variable.set(Wide{-i});
                wrong += variable.get() != Wide{-i};
                variable.reset(token);
                wrong += variable.get() != Wide{before};
                variable.set(Wide{before + 1});
            }
            EXPECT_EQ(wrong, 0);
        });
        EXPECT_EQ(next.size(), static_cast<std::size_t>(count));
        context = std::move(next);
    }
    int wrong = 0;
    for (int i = 0; i < count; ++i) {
        int sets = 0;
        for (int copy = 0; copy < 3; ++copy) {
            sets += i % 101 == copy;
        }
        const auto& variable = *variables[static_cast<std::size_t>(i)];
        wrong += variable.get() != Wide{i};
        wrong += *context.get(variable) != Wide{i + sets};
    }
    EXPECT_EQ(wrong, 0);
}
