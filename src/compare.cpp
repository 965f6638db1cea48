// SPDX-License-Identifier: MIT
//
// Whether two contexts bind the same variables to equal values, in time that grows as their size does,
// times its logarithm.
//
// Contexts that are values of contexts are not compared by a call in a call, which would need a stack as
// deep as they are nested, but wait in a list for their turn. Two maps are compared once, however often
// they meet: a context that binds two copies of another, which binds two of a third, and so on, has few
// maps but many paths to them.
#include "map.hpp"
#include "registry.hpp"

#include <contextvars/context.hpp>

#include <algorithm>
#include <cstring>
#include <set>
#include <typeinfo>
#include <utility>
#include <vector>

namespace contextvars::inline v0 {
namespace detail {

namespace {

/// Finds every binding of a map, also of variables that are gone. These are a list in the map.
class bindings_by_key {
public:
    /// Throws: std::bad_alloc, if there are bindings in the list.
    explicit bindings_by_key(const map& map) : map_(map) {
        if (map.rest != nullptr)
            for (const dead_binding* dead = map.rest->dead; dead != nullptr; dead = dead->next)
                dead_.push_back(&dead->bound);
        std::sort(dead_.begin(), dead_.end(),
                  [](const cell* a, const cell* b) { return a->key < b->key; });
    }

    const cell* find(key_type key) const noexcept {
        if (const cell* const found = detail::find(map_, key))
            return found;
        const auto dead = std::lower_bound(
            dead_.begin(), dead_.end(), key,
            [](const cell* bound, key_type wanted) { return bound->key < wanted; });
        return dead != dead_.end() && (*dead)->key == key ? *dead : nullptr;
    }

private:
    const map& map_;
    std::vector<const cell*> dead_;
};

class comparison {
public:
    comparison(pinned_map a, pinned_map b) { add(std::move(a), std::move(b)); }

    bool holds() {
        while (!waiting_.empty()) {
            const auto [a, b] = std::move(waiting_.back());
            waiting_.pop_back();
            if (!are_equal(*a.get(), *b.get()))
                return false;
        }
        return true;
    }

private:
    void add(pinned_map a, pinned_map b) {
        if (a.get() != b.get())
            waiting_.emplace_back(std::move(a), std::move(b));
    }

    bool are_equal(const map& a, const map& b) {
        if (a.size != b.size)
            return false;
        const bindings_by_key of_b(b);
        const auto visit = [&](const cell& in_a) {
            const cell* const in_b = of_b.find(in_a.key);
            return in_b != nullptr &&
                   are_equal(operations_of_key(in_a.key), in_a.value, in_b->value);
        };
        return for_each(
            a,
            [](void* argument, const cell& cell) {
                return (*static_cast<decltype(visit)*>(argument))(cell);
            },
            const_cast<void*>(static_cast<const void*>(&visit)));
    }

    /// Says true of contexts, which will be compared later.
    bool are_equal(const type_operations& operations, const word& a, const word& b) {
        const void* const value_a = value_in(a, operations);
        const void* const value_b = value_in(b, operations);
        // Identical: one node, or for values that have no place of their own, the same bits.
        if (operations.in_node ? value_a == value_b
                               : std::memcmp(value_a, value_b, operations.size()) == 0)
            return true;
        if (*operations.type == typeid(Context)) {
            pinned_map inner_a(*static_cast<const Context*>(value_a));
            pinned_map inner_b(*static_cast<const Context*>(value_b));
            // They stay alive, and at their addresses, as long as the maps that this began with.
            if (met_.emplace(inner_a.get(), inner_b.get()).second)
                add(std::move(inner_a), std::move(inner_b));
            return true;
        }
        const auto equal = operations.equal.load(std::memory_order_relaxed);
        return equal != nullptr && equal(value_a, value_b);
    }

    std::vector<std::pair<pinned_map, pinned_map>> waiting_;
    std::set<std::pair<const map*, const map*>> met_;
};

} // namespace

} // namespace detail

bool operator==(const Context& a, const Context& b) {
    return detail::comparison(detail::pinned_map(a), detail::pinned_map(b)).holds();
}

} // namespace contextvars::inline v0
