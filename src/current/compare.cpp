// SPDX-License-Identifier: MIT
//
// Finds out whether two contexts bind the same variables to equal values. The time grows as their
// size does, times its logarithm.
//
// A context that is a value of a context is not compared by a call in a call, which would need a
// stack as deep as contexts are nested. It waits in a list for its turn. Contexts inside other
// values (a vector of them, say) are compared by the == of those values, which needs its answer at
// once. These are calls in calls, so their depth has a limit, as recursion has in Python.
// Two maps are compared once, however often they meet. A context that binds two copies of another,
// which binds two of a third, and so on, has few maps but many paths to them.
#include "current/compare.hpp"
#include "current/thread_state.hpp"
#include "storage/map.hpp"
#include "variables/registry.hpp"

#include <contextvars/context.hpp>
#include <contextvars/errors.hpp>

#include <cstddef>
#include <map>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

namespace contextvars::inline v0 {
namespace detail {

namespace {

/// A comparison of two contexts, with all that it leads to. A thread has one at a time: if == of a
/// value compares contexts in the value, it asks this one.
class comparison {
public:
    /// Throws: RuntimeError if there are too many comparisons on the stack; and as operator==.
    bool holds(pinned_map a, pinned_map b) {
        if (a.get() == b.get())
            return true;
        const auto root = pair_of(std::move(a), std::move(b));
        switch (root->second.answer) {
        case verdict::equal:
        case verdict::going_on: // a difference is found there
            return true;
        case verdict::unequal:
            return false;
        case verdict::unknown:
        case verdict::waiting: // its turn may come too late for the caller
            break;
        }
        level one_more(depth_);
        evaluation going_on;
        going_on.add(root);
        const bool equal = going_on.all_hold(
            [&](const pair& two) { return are_equal(*two.a.get(), *two.b.get(), going_on); });
        if (!equal)
            root->second.answer = verdict::unequal;
        return equal;
    }

private:
    enum class verdict {
        unknown,
        waiting,  ///< in the list of an evaluation
        going_on, ///< is being compared
        equal,
        unequal,
    };
    struct pair {
        pinned_map a, b; // so no other map comes to their addresses
        verdict answer = verdict::unknown;
    };
    // The addresses of the maps.
    using pairs = std::map<std::pair<const map*, const map*>, pair>;

    /// Evaluates one pair, and the pairs that must be equal for it to be equal.
    class evaluation {
    public:
        evaluation() = default;
        evaluation(const evaluation&) = delete;
        evaluation& operator=(const evaluation&) = delete;
        ~evaluation() {
            // If not all are equal, nothing is known about pairs that still wait, or that wait for
            // others.
            for (const auto one : list_)
                if (one->second.answer == verdict::waiting ||
                    one->second.answer == verdict::going_on)
                    one->second.answer = verdict::unknown;
        }

        void add(pairs::iterator one) {
            list_.push_back(one);
            one->second.answer = verdict::waiting;
        }

        template <class Holds>
        bool all_hold(const Holds& holds) {
            for (std::size_t i = 0; i != list_.size(); ++i) {
                pair& one = list_[i]->second;
                // Another evaluation may have answered it meanwhile.
                if (one.answer == verdict::unequal)
                    return false;
                if (one.answer == verdict::equal)
                    continue;
                one.answer = verdict::going_on;
                if (!holds(one))
                    return false;
            }
            for (const auto one : list_)
                one->second.answer = verdict::equal;
            return true;
        }

    private:
        std::vector<pairs::iterator> list_;
    };

    class level {
    public:
        explicit level(int& depth) : depth_(depth) {
            if (depth == deepest)
                throw RuntimeError(
                    "contexts in values of contexts, which == of these values compares, "
                    "are nested more than " +
                    std::to_string(deepest) +
                    " deep; bind a Context itself, which may be nested as deep as memory "
                    "allows");
            ++depth_;
        }
        level(const level&) = delete;
        level& operator=(const level&) = delete;
        ~level() { --depth_; }

    private:
        int& depth_;
    };

    pairs::iterator pair_of(pinned_map a, pinned_map b) {
        const std::pair addresses(a.get(), b.get());
        return pairs_.try_emplace(addresses, pair{std::move(a), std::move(b)}).first;
    }

    bool are_equal(const map& a, const map& b, evaluation& going_on) {
        if (binding_count(a) != binding_count(b))
            return false;
        const bindings_by_key of_b(b);
        const auto visit = [&](const cell& in_a) {
            const cell* const in_b = of_b.find(in_a.key);
            return in_b != nullptr &&
                   are_equal(operations_of_key(in_a.key), in_a.value, in_b->value, going_on);
        };
        return for_each(
            a,
            [](void* argument, const cell& cell) {
                return (*static_cast<decltype(visit)*>(argument))(cell);
            },
            const_cast<void*>(static_cast<const void*>(&visit)));
    }

    /// Returns true for contexts, which will be compared later.
    bool are_equal(const type_operations& operations, const word& a, const word& b,
                   evaluation& going_on) {
        const void* const value_a = value_in(a, operations);
        const void* const value_b = value_in(b, operations);
        if (are_identical(operations, value_a, value_b))
            return true;
        if (same_type(*operations.type, typeid(Context))) {
            pinned_map inner_a(*static_cast<const Context*>(value_a));
            pinned_map inner_b(*static_cast<const Context*>(value_b));
            if (inner_a.get() == inner_b.get())
                return true;
            const auto inner = pair_of(std::move(inner_a), std::move(inner_b));
            if (inner->second.answer == verdict::unknown)
                going_on.add(inner);
            return inner->second.answer != verdict::unequal;
        }
        // Relaxed, since nothing but the function is read: it is code, and was there before.
        const auto equal = operations.equal.load(std::memory_order_relaxed);
        return equal != nullptr && equal(value_a, value_b);
    }

    static constexpr int deepest = 100;

    pairs pairs_;
    int depth_ = 0;
};

/// While such an object lives, the thread's comparison is the one that is given.
class comparing_now {
public:
    comparing_now(thread_state* state, comparison& comparison) noexcept : state_(state) {
        if (state_ != nullptr)
            state_->comparing = &comparison;
    }
    comparing_now(const comparing_now&) = delete;
    comparing_now& operator=(const comparing_now&) = delete;
    ~comparing_now() {
        if (state_ != nullptr)
            state_->comparing = nullptr;
    }

private:
    thread_state* const state_; // nullptr if there is no memory
};

} // namespace

} // namespace detail

bool operator==(const Context& a, const Context& b) {
    detail::pinned_map of_a(a);
    detail::pinned_map of_b(b);
    detail::thread_state* const state = detail::try_this_thread();
    if (state != nullptr && state->comparing != nullptr)
        return static_cast<detail::comparison*>(state->comparing)
            ->holds(std::move(of_a), std::move(of_b));
    detail::comparison comparison;
    const detail::comparing_now now(state, comparison);
    return comparison.holds(std::move(of_a), std::move(of_b));
}

} // namespace contextvars::inline v0
