// SPDX-License-Identifier: MIT
//
// Random operations on many variables and contexts, each held against a plain std::map.
//     CONTEXTVARS_MODEL_OPERATIONS   how many operations (default 2,000,000); a sanitised build makes
//                                    a twentieth of them
//     CONTEXTVARS_SEED               repeats a run; every run prints its seed
#include <contextvars/contextvars.hpp>
#include <contextvars/ext/flow.hpp>

#include "current/validate.hpp"

#include "support/environment.hpp"
#include "support/isolated.hpp"
#include "support/model.hpp"

#include <gtest/gtest.h>

#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::AnyVariable;
using contextvars_tests::from_environment;
using contextvars_tests::isolated;
using contextvars_tests::make_variable;
using contextvars_tests::ModelContext;
using contextvars_tests::ModelToken;
using contextvars_tests::outcome;
using ModelTest = contextvars_tests::Isolated;

namespace {

struct Thrown {};

class Walk {
public:
    /// trivial: of values without destructors.
    Walk(unsigned seed, int variables, long operations, bool trivial = false)
        : random_(seed), left_(operations), slots_(8), trivial_(trivial) {
        for (int i = 0; i < variables; ++i) {
            variables_.push_back(
                {next_variable_, make_variable(i, name(next_variable_), trivial_), 0});
            ++next_variable_;
        }
        for (auto& slot : slots_) {
            slot.model.identity = ++next_context_;
        }
    }

    void run() {
        ModelContext base;
        base.identity = ++next_context_;
        while (left_ > 0 && !::testing::Test::HasFailure()) {
            step(base, 0);
        }
        verify(base);
    }

private:
    struct Variable {
        int number;
        std::unique_ptr<AnyVariable> real;
        int scopes = 0; ///< open ones; they must end before their variable does
    };
    struct Slot {
        cv::Context real;
        ModelContext model;
    };

    static std::string broken(const cv::detail::map& map) {
        const char* const invariant = cv::detail::broken_invariant(map);
        return invariant != nullptr ? invariant : "";
    }
    static std::string name(int number) { return "v" + std::to_string(number); }
    int pick(std::size_t n) {
        return static_cast<int>(std::uniform_int_distribution<std::size_t>(0, n - 1)(random_));
    }
    Variable& any_variable() {
        return variables_[static_cast<std::size_t>(pick(variables_.size()))];
    }
    Slot& any_slot() { return slots_[static_cast<std::size_t>(pick(slots_.size()))]; }

    static std::optional<int> look(const ModelContext& context, int variable) {
        const auto found = context.bindings.find(variable);
        return found == context.bindings.end() ? std::nullopt : std::optional(found->second);
    }

    void step(ModelContext& now, int depth) {
        --left_;
        ASSERT_EQ(broken(*cv::detail::current_map()), "");
        // clang-format off
        switch (pick(24)) {
        case 0: case 1: case 2: case 3: set(now); break;
        case 4: case 5: case 6: case 7: get(now); break;
        case 8: case 9: case 10: reset(now); break;
        case 11: forget_token(); break;
        case 12: case 13: run_slot(now, depth); break;
        case 14: copy_into_slot(now); break;
        case 15: move_between_slots(); break;
        case 16: scoped(now, depth); break;
        case 17: bind(now, depth); break;
        case 18: run_copy(now, depth); break;
        case 19: compare(now); break;
        case 20: reborn(); break;
        case 21: if (pick(20) == 0) { verify(now); } break;
        case 22: clear_slot(); break;
        default: if (depth > 0 && pick(3) == 0) { throw Thrown(); } break;
        }
        // clang-format on
    }

    /// Some steps in the context that is current, of which one may throw.
    void steps(ModelContext& now, int depth) {
        for (int n = pick(12); n > 0 && left_ > 0 && !::testing::Test::HasFailure(); --n) {
            step(now, depth);
        }
    }

    void set(ModelContext& now) {
        Variable& v = any_variable();
        const int value = pick(100000);
        auto real = pick(4) == 0 ? v.real->emplace(value) : v.real->set(value);
        const auto old = look(now, v.number);
        ASSERT_EQ(real->old_value(), old);
        now.bindings[v.number] = value;
        if (tokens_.size() < 60) {
            tokens_.push_back({std::move(real), v.number, now.identity, false, old});
        }
    }

    void get(ModelContext& now) {
        const Variable& v = any_variable();
        ASSERT_EQ(v.real->try_get(), look(now, v.number));
        ASSERT_EQ(pick(50) == 0 ? v.real->get() : v.real->try_get(), look(now, v.number));
    }

    void reset(ModelContext& now) {
        if (tokens_.empty()) {
            return;
        }
        ModelToken& token = tokens_[static_cast<std::size_t>(pick(tokens_.size()))];
        Variable* target = &any_variable();
        if (pick(4) != 0) { // mostly the token's own variable, if it is still there
            for (auto& v : variables_) {
                target = v.number == token.variable ? &v : target;
            }
        }
        const auto got = target->real->reset(*token.real, pick(2) == 0);
        if (!got) {
            return;
        }
        const outcome expected = token.used                         ? outcome::used
                                 : token.variable != target->number ? outcome::wrong_variable
                                 : token.context != now.identity    ? outcome::wrong_context
                                                                    : outcome::ok;
        ASSERT_EQ(*got, expected);
        if (expected == outcome::ok) {
            token.used = true;
            if (token.old) {
                now.bindings[token.variable] = *token.old;
            } else {
                now.bindings.erase(token.variable);
            }
        }
        ASSERT_EQ(token.real->old_value(), token.old);
    }

    void forget_token() {
        if (tokens_.size() > 20) {
            const int index = pick(tokens_.size());
            std::swap(tokens_[static_cast<std::size_t>(index)], tokens_.back());
            tokens_.pop_back();
        }
    }

    void run_slot(ModelContext& now, int depth) {
        Slot& slot = any_slot();
        if (depth > 6) {
            return;
        }
        if (slot.model.entered) {
            ASSERT_THROW(slot.real.run([] { FAIL(); }), cv::RuntimeError);
            ASSERT_THROW(slot.real = cv::Context(), cv::RuntimeError);
            return get(now);
        }
        slot.model.entered = true;
        try {
            if (pick(2) == 0) {
                slot.real.run([&] { steps(slot.model, depth + 1); });
            } else {
                const auto guard = slot.real.enter();
                steps(slot.model, depth + 1);
            }
        } catch (const Thrown&) {
        }
        slot.model.entered = false;
        get(now);
    }

    void copy_into_slot(ModelContext& now) {
        Slot& target = any_slot();
        const Slot& source = any_slot();
        if (target.model.entered || &target == &source) {
            return;
        }
        const int how = pick(4);
        const ModelContext& from = how == 0 ? now : source.model;
        if (how == 0) {
            target.real = cv::copy_context();
        } else if (how == 1) {
            target.real = source.real.copy();
        } else if (how == 2) {
            target.real = source.real;
        } else {
            target.real = cv::Context(source.real);
        }
        target.model = {++next_context_, false, from.bindings};
    }

    void move_between_slots() {
        Slot& target = any_slot();
        Slot& source = any_slot();
        if (target.model.entered || &target == &source) {
            return;
        }
        target.real = std::move(source.real);
        if (source.model.entered) { // copied instead
            target.model = {++next_context_, false, source.model.bindings};
        } else {
            target.model = std::exchange(source.model, {++next_context_, false, {}});
        }
    }

    void clear_slot() {
        Slot& slot = any_slot();
        if (!slot.model.entered && pick(4) == 0) {
            slot.real = cv::Context();
            slot.model = {++next_context_, false, {}};
        }
    }

    void scoped(ModelContext& now, int depth) {
        if (depth > 6) {
            return;
        }
        Variable& v = any_variable();
        const int number = v.number;
        const auto before = look(now, number);
        const int value = pick(100000);
        try {
            const auto scope = v.real->scoped(value);
            ++v.scopes;
            now.bindings[number] = value;
            steps(now, depth + 1);
        } catch (const Thrown&) {
        }
        --v.scopes;
        if (before) {
            now.bindings[number] = *before;
        } else {
            now.bindings.erase(number);
        }
    }

    void bind(ModelContext& now, int depth) {
        if (depth > 6) {
            return;
        }
        const Slot& slot = any_slot();
        const bool given = pick(2) == 0;
        const auto captured = given ? slot.model.bindings : now.bindings;
        const auto body = [&] {
            ModelContext fresh{++next_context_, true, captured};
            steps(fresh, depth + 1);
        };
        const auto call = [&](auto bound) {
            for (int times = pick(3); times >= 0; --times) {
                try {
                    bound();
                } catch (const Thrown&) {
                }
            }
        };
        given ? call(cv::bind_context(slot.real, body)) : call(cv::bind_context(body));
        get(now);
    }

    void run_copy(ModelContext& now, int depth) {
        if (depth > 6) {
            return;
        }
        ModelContext model{++next_context_, true, now.bindings};
        cv::Context copy = cv::copy_context();
        try {
            copy.run([&] { steps(model, depth + 1); });
        } catch (const Thrown&) {
        }
        ASSERT_EQ(copy.size(), model.bindings.size());
    }

    void compare(ModelContext& now) {
        const Slot& a = any_slot();
        const Slot& b = any_slot();
        ASSERT_TRUE(a.real == a.real.copy());
        ASSERT_TRUE(cv::copy_context() == cv::copy_context());
        if (a.model.bindings != b.model.bindings) {
            ASSERT_FALSE(a.real == b.real);
        }
        ASSERT_EQ(a.real.size(), a.model.bindings.size());
        ASSERT_EQ(cv::copy_context().size(), now.bindings.size());
    }

    /// Destroys a variable, bound or not, and makes one of another kind in its place.
    void reborn() {
        Variable& v = any_variable();
        if (v.scopes == 0 && pick(30) == 0) {
            v.real.reset();
            v.number = next_variable_++;
            v.real = make_variable(pick(5), name(v.number), trivial_);
        }
    }

    void verify(const ModelContext& now) {
        verify(cv::copy_context(), now);
        for (const auto& slot : slots_) {
            verify(slot.real, slot.model);
        }
        for (const auto& v : variables_) {
            ASSERT_EQ(v.real->try_get(), look(now, v.number));
        }
    }

    void verify(const cv::Context& real, const ModelContext& model) {
        ASSERT_EQ(broken(*cv::detail::pinned_map(real).get()), "");
        ASSERT_EQ(real.size(), model.bindings.size());
        ASSERT_EQ(real.empty(), model.bindings.empty());
        for (const auto& v : variables_) {
            ASSERT_EQ(v.real->in(real), look(model, v.number));
        }
        std::size_t listed = 0;
        for (auto&& variable : real.keys()) { // those of destroyed variables too
            ++listed;
            ASSERT_TRUE(model.bindings.contains(std::stoi(std::string(variable.name().substr(1)))));
        }
        ASSERT_EQ(listed, model.bindings.size());
    }

    std::mt19937 random_;
    long left_;
    int next_variable_ = 0;
    int next_context_ = 0;
    std::vector<Slot> slots_;
    bool trivial_;
    std::vector<ModelToken> tokens_;
    std::vector<Variable> variables_;
};

} // namespace

TEST_F(ModelTest, holds_over_random_operations) {
    const auto seed =
        static_cast<unsigned>(from_environment("CONTEXTVARS_SEED", std::random_device{}()));
    const long asked_for = from_environment("CONTEXTVARS_MODEL_OPERATIONS", 2'000'000);
    const long operations = asked_for / (contextvars_tests::sanitized ? 20 : 1);
    std::cout << "CONTEXTVARS_SEED=" << seed << " CONTEXTVARS_MODEL_OPERATIONS=" << asked_for
              << '\n';
    SCOPED_TRACE("CONTEXTVARS_SEED=" + std::to_string(seed));
    unsigned round = 0;
    for (const bool trivial : {false, true}) {
        for (const int variables : {3, 10, 17, 40, 100}) {
            isolated([&] { Walk(seed + round++, variables, operations / 10, trivial).run(); });
            ASSERT_FALSE(HasFailure()) << "with " << variables << " variables, " << trivial;
        }
    }
}
